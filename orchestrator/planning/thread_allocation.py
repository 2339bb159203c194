"""Resolves ``threads: auto``: the cores shared out among the roles that work at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NotRequired, TypedDict

from orchestrator.planning.plan import Plan, Stage
from students.config import Threads
from teachers.inference.inference_config import InferenceConfig


class Resolved(TypedDict):
    """Threads of each rank of the student (or of the examined model), and of each teacher; then
    how each teacher is run (``InferenceConfig.to_json``), once that is chosen; these stand in
    files of the home, so ``manners`` stays their key."""

    student: int
    teachers: dict[str, int]
    manners: NotRequired[dict[str, dict[str, Any]]]


@dataclass(frozen=True)
class Prospect:
    """What is known of a stage's teachers before it begins, by name.

    ``settled`` is how they are run; those that are ``stored`` need not be started, for all that
    they will be asked is in the bank.
    """

    settled: Mapping[str, InferenceConfig] = field(default_factory=dict)
    stored: frozenset[str] = frozenset()


def stages_at_once(cores: int) -> int:
    """How many stages may run beside each other: starting up one hides behind another."""
    return max(2, cores)


def resolve(stage: Stage, plan: Plan, cores: int, known: Prospect | None = None) -> Resolved:
    """The threads of ``stage``'s roles on a machine of ``cores`` cores.

    All roles of the stage work at once, and beside them at least one role of each stage
    that may run at the same time. Teachers that need not be started leave their cores to the
    others; one whose answers are stored already keeps the threads that gave them.
    """
    known = known or Prospect()
    beside = [other for other in plan.stages if other is not stage and apart(stage, other)]
    at_once = roles_of(stage, plan, known.stored) + min(len(beside), stages_at_once(cores) - 1)
    share = max(1, cores // at_once)

    def threads(asked: Threads) -> int:
        return share if asked == "auto" else asked

    own = stage.cohort[0].train.threads if stage.cohort else _examined(stage, plan)
    teachers = {
        name: known.settled[name].threads
        if name in known.settled
        else threads(plan.recipe.teachers[name].threads)
        for name in stage.teachers
    }
    return Resolved(student=threads(own), teachers=teachers)


def roles_of(stage: Stage, plan: Plan, stored: Collection[str] = ()) -> int:
    """How many processes a stage occupies: its ranks and its teachers' replicas, without the
    teachers whose answers are all ``stored``."""
    ranks = sum(spec.engine.ranks for spec in stage.cohort) or 1
    teaching = [name for name in stage.teachers if name not in stored]
    return ranks + sum(plan.recipe.teachers[name].replicas for name in teaching)


def apart(one: Stage, other: Stage) -> bool:
    """Whether neither stage waits for the other, so that they may run at the same time."""
    return one.digest not in other.needs and other.digest not in one.needs


def _examined(stage: Stage, plan: Plan) -> Threads:
    return plan.recipe.teachers[stage.name.removeprefix("teachers.")].threads
