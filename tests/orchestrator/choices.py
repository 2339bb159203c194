"""A choice made for tests: the teacher that is better on the validation part teaches a student."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.planning.graph import Choice, Decision, Evidence, Graph
from orchestrator.planning.stage import Stage
from students.objectives.cross_entropy import Task
from students.objectives.soft_targets import SoftTargets
from students.specs import MODEL


@dataclass
class Teacher:
    """Decides by the last accuracy on the validation part; counts how often it was asked."""

    names: Mapping[str, str]
    asked: list[Mapping[str, Any]] = field(default_factory=list)

    def decide(self, evidence: Evidence) -> Decision:
        outcomes = {digest: evidence.outcomes(digest) for digest in self.names}
        self.asked.append(outcomes)
        accuracy = {
            name: outcomes[digest][MODEL].curve[-1].accuracy for digest, name in self.names.items()
        }
        best = max(accuracy, key=accuracy.__getitem__)
        return Decision(best, f"{best} has {accuracy[best]:.3f} on the validation part")


def choose_student(graph: Graph, name: str) -> Choice:
    """The choice among the teachers of ``graph``; a student of the chosen one follows."""
    teachers = [stage for stage in graph.stages if stage.name.startswith("teachers.")]
    names = {stage.digest: stage.name.removeprefix("teachers.") for stage in teachers}
    student = graph.stage("student")

    def grow(chosen: str) -> tuple[Stage, ...]:
        objective = {"task": Task(weight=0.1), "soft_targets": SoftTargets(weight=0.9)}
        title = f"taught by {chosen}"
        spec = replace(student.cohort[0], path=title, objective=objective)
        refs = tuple(ref for ref in student.teachers if ref.name == chosen)
        return (replace(student, name=title, cohort=(spec,), teachers=refs),)

    question = {"best": sorted(names.values()), "by": "accuracy"}
    decide, options = Teacher(names).decide, tuple(names.values())
    return Choice(name, question, tuple(names), decide, grow, options, ("a student",))
