"""Teacher assistants (TAKD: Mirzadeh et al., 2020, arXiv:1902.03393, section 3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from orchestrator.planning.controls import untaught_stage
from orchestrator.planning.graph import Choice, Decision, EnsembleSpec, Evidence, Node
from orchestrator.planning.recipe_stages import RecipeStages
from orchestrator.planning.schedules.chain import chain_stages
from orchestrator.planning.stage import Stage, StageRole, TeacherRef
from orchestrator.planning.stage_maker import StageMaker
from orchestrator.schedule_config import Assistants
from students.specs import MODEL, StageOutput

CHOICE = "assistants.choice"
_RULE = "nearest the mean validation accuracy of ensemble and untaught student, then the smallest"
_ROUNDING = 12
"""Decimals of a difference of accuracies: what is nearer by less is equally near."""


def assistants(
    maker: StageMaker, schedule: Assistants, teachers: Sequence[TeacherRef], repeat: int
) -> Iterator[Stage]:
    """``assistants.1`` and so on, then the student."""
    links = dict(zip(schedule.names, schedule.entries, strict=True))
    return chain_stages(maker, schedule, links, StageRole.ASSISTANT, teachers, repeat)


def choose_assistant(stages: RecipeStages, schedule: Assistants) -> tuple[Node, ...]:
    """All nodes of a recipe under ``path: auto``: ``assistants.candidates.1`` and so on, the choice
    among them, then what the path of the chosen one has.

    Candidates and student are those of the explicit path of each candidate, crowd included, so
    they have its digests and compute on its threads.
    """
    [name] = schedule.names
    maker, refs, role = stages.maker, stages.refs, StageRole.ASSISTANT
    paths = {
        str(number): stages.whole(partial(chain_stages, maker, schedule, {name: place}, role, refs))
        for number, place in enumerate(schedule.entries, 1)
    }
    candidates = {
        label: replace(stage, name=f"assistants.candidates.{label}", role=StageRole.CANDIDATE)
        for label, path in paths.items()
        for stage in path
        if stage.role is role
    }
    some = paths["1"]
    untaught = untaught_stage(some)
    rule = _Nearest(candidates, untaught, EnsembleSpec(refs, maker.recipe.ensemble))
    before = (*some[: len(stages.teachers)], *candidates.values(), untaught)

    def grow(label: str) -> tuple[Stage, ...]:
        return tuple(each for each in paths[label] if each.role in (role, StageRole.STUDENT))

    choice = Choice(
        name=CHOICE,
        question={"rule": _RULE, "candidates": len(candidates)},
        needs=tuple(dict.fromkeys(stage.digest for stage in rule.needs(before))),
        decide=rule.decide,
        grow=grow,
        options=tuple(candidates),
        follows=tuple(stage.title for stage in grow("1")),
    )
    controls = (stage for stage in some if stage.role is StageRole.CONTROL)
    return (*before, choice, *(each for each in controls if each.title != untaught.title))


@dataclass(frozen=True)
class _Nearest:
    """Takes the candidate whose accuracy on the validation part is nearest the mean of the
    ensemble's and the untaught student's (section 4.2 of the paper); of equally near ones that with
    the fewest parameters, then the first."""

    candidates: Mapping[str, Stage]
    untaught: Stage
    ensemble: EnsembleSpec

    def needs(self, before: Sequence[Stage]) -> Iterator[Stage]:
        """The candidates, the untaught student, then the teachers."""
        yield from (*self.candidates.values(), self.untaught)
        yield from (stage for stage in before if stage.role is StageRole.TEACHER)

    def decide(self, evidence: Evidence) -> Decision:
        """The chosen candidate's number; ``figures`` are accuracies from 0 to 1."""
        digests = {label: stage.digest for label, stage in self.candidates.items()}
        found = {label: evidence.accuracy(StageOutput(each)) for label, each in digests.items()}
        sizes = {
            label: evidence.outcomes(each)[MODEL].parameters for label, each in digests.items()
        }
        ensemble = evidence.ensemble_accuracy(self.ensemble)
        untaught = evidence.accuracy(StageOutput(self.untaught.digest))
        target = (ensemble + untaught) / 2
        gaps = {label: round(abs(each - target), _ROUNDING) for label, each in found.items()}
        chosen = min(gaps, key=lambda label: (gaps[label], sizes[label]))
        others = sum(gap == gaps[chosen] for gap in gaps.values()) - 1
        reason = (
            f"its validation accuracy ({found[chosen]:.2%}) is nearest to {target:.2%}, the mean "
            f"of the ensemble's ({ensemble:.2%}) and the untaught student's ({untaught:.2%})"
            f"{'; of equally near ones it is the smallest' if others else ''}"
        ).replace("%", " %")
        figures = {"candidates": found, "ensemble": ensemble, "untaught": untaught}
        return Decision(chosen, reason, figures | {"target": target})
