"""Teacher assistants (TAKD: Mirzadeh et al., 2020, arXiv:1902.03393, section 3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

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
    return _along(maker, schedule, links, teachers, repeat)


def _along(
    maker: StageMaker,
    schedule: Assistants,
    links: Mapping[str, str],
    teachers: Sequence[TeacherRef],
    repeat: int,
) -> Iterator[Stage]:
    by_all = schedule.taught_by == "all"
    return chain_stages(maker, teachers, links, StageRole.ASSISTANT, by_all=by_all, repeat=repeat)


def choose_assistant(stages: RecipeStages, schedule: Assistants) -> tuple[Node, ...]:
    """All nodes of a recipe under ``path: auto``: ``assistants.candidates.1`` and so on, the choice
    among them, then what the path of the chosen one has.

    Candidates and student are those of the explicit path of each candidate, crowd included, so
    they have its digests and compute on its threads.
    """
    [name] = schedule.names
    paths = {
        str(number): stages.whole(
            lambda repeat, links={name: place}: _along(  # type: ignore[misc]
                stages.maker, schedule, links, stages.refs, repeat
            )
        )
        for number, place in enumerate(schedule.entries, 1)
    }
    candidates = {
        label: replace(stage, name=f"assistants.candidates.{label}", role=StageRole.CANDIDATE)
        for label, path in paths.items()
        for stage in path
        if stage.role is StageRole.ASSISTANT
    }
    some = paths["1"]
    untaught = untaught_stage(some)
    rule = _Nearest(candidates, untaught, EnsembleSpec(stages.refs, stages.maker.recipe.ensemble))
    before = (*some[: len(stages.teachers)], *candidates.values(), untaught)

    def grow(label: str) -> tuple[Stage, ...]:
        following = (StageRole.ASSISTANT, StageRole.STUDENT)
        return tuple(stage for stage in paths[label] if stage.role in following)

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
