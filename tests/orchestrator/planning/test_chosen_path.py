"""What ``path: auto`` plans: candidates, the choice among them, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.planning.graph import Choice, Decision, EnsembleSpec, Graph
from orchestrator.planning.stage import StageRole
from orchestrator.planning.thread_allocation import resolve
from students.specs import MODEL, StageOutput
from students.storage.outcome import Outcome
from tests import small
from tests.orchestrator.planning.test_schedules import SMALLER, SMALLEST, path, taught


def auto(*entries: str, taught_by: str = "previous") -> str:
    listed = ", ".join(entries)
    return (
        f"schedule={{kind: assistants, path: auto, candidates: [{listed}], taught_by: {taught_by}}}"
    )


BOTH = auto(SMALLER, SMALLEST)


def grown(graph: Graph, label: str) -> Graph:
    [choice] = graph.undecided
    return graph.grown(choice, Decision(label, "it was"))


@pytest.mark.parametrize("taught_by", ["previous", "all"])
@pytest.mark.parametrize("controls", ["controls=[untaught, direct]", "controls=[]"])
def test_the_student_of_a_chosen_path_is_that_of_the_path_itself(
    tmp_path: Path, taught_by: str, controls: str
) -> None:
    asked = small.planned(tmp_path, auto(SMALLER, SMALLEST, taught_by=taught_by), controls)
    for label, model in (("1", SMALLER), ("2", SMALLEST)):
        chosen = grown(asked, label)
        given = small.planned(tmp_path, path(model, taught_by=taught_by), controls)
        assert small.digests(given).items() <= small.digests(chosen).items()
        for stage in given.stages:
            for cores in (2, 16):
                same = chosen.stage(stage.name)
                assert resolve(same, cores) == resolve(stage, cores), "so it has the same bits"
            assert taught(given).get(stage.title) == taught(chosen).get(stage.title)


def test_a_candidate_shares_its_stage_with_the_same_entry_of_a_path(tmp_path: Path) -> None:
    graph = small.planned(tmp_path, BOTH)
    for number, model in (("1", SMALLER), ("2", SMALLEST)):
        candidate = graph.stage(f"assistants.candidates.{number}")
        assert candidate.digest == small.planned(tmp_path, path(model)).stage("assistants.1").digest
        assert candidate.role is StageRole.CANDIDATE
        assert candidate.cohort[0].path == f"schedule.candidates.{int(number) - 1}"


def test_the_choice_needs_candidates_teachers_and_the_untaught_student(tmp_path: Path) -> None:
    graph = small.planned(tmp_path, BOTH, "controls=[]")
    assert small.titles(graph.nodes) == [
        "teachers.wide",
        "teachers.deep",
        "assistants.candidates.1",
        "assistants.candidates.2",
        "controls.untaught",
        "assistants.choice",
    ]
    [choice] = graph.undecided
    titles = {stage.digest: stage.title for stage in graph.stages}
    assert {titles[need] for need in choice.needs} == set(titles.values())
    assert (choice.options, choice.follows) == (("1", "2"), ("assistants.1", "student"))
    untaught = small.planned(tmp_path).stage("controls.untaught")
    assert graph.stage("controls.untaught").digest == untaught.digest


def test_the_choice_is_made_once_for_all_repeats(tmp_path: Path) -> None:
    one = small.planned(tmp_path, BOTH)
    three = small.planned(tmp_path, BOTH, "controls=[untaught, direct]", repeats=3)
    [choice] = three.undecided
    assert choice.digest == one.undecided[0].digest
    after = grown(three, "2")
    assert [title for title in small.titles(after.stages) if title.startswith("student")] == [
        "student",
        "student#2",
        "student#3",
    ]
    assert {"controls.untaught#3", "controls.direct#3"} <= set(small.titles(three.stages))
    assert after.undecided == ()
    assert after.digest == three.digest


def test_another_candidate_or_ensemble_is_another_question(tmp_path: Path) -> None:
    digest = small.planned(tmp_path, BOTH).undecided[0].digest
    for other in (
        [auto(SMALLER, "{kind: mlp, hidden: [8]}")],
        [BOTH, "ensemble.mean=geometric"],
        [BOTH, "student.model.hidden=[8]"],
        [BOTH, "transfer_set.validation=120"],
    ):
        assert small.planned(tmp_path, *other).undecided[0].digest != digest


@dataclass(frozen=True)
class Figures:
    """Evidence that is given: accuracy and parameters by stage."""

    of_stages: Mapping[str, tuple[float, int]]
    ensemble: float

    def outcomes(self, stage: str) -> Mapping[str, Outcome]:
        return {MODEL: Outcome("ab", self.of_stages[stage][1], 1, 1)}

    def accuracy(self, output: StageOutput) -> float:
        return self.of_stages[output.stage][0]

    def ensemble_accuracy(self, spec: EnsembleSpec) -> float:
        assert [ref.name for ref in spec.teachers] == ["wide", "deep"]
        return self.ensemble


def decided(graph: Graph, first: tuple[float, int], second: tuple[float, int]) -> Decision:
    """By an ensemble of 0.9 and an untaught student of 0.7."""
    [choice] = graph.undecided
    one, two, untaught = (
        graph.stage(name).digest
        for name in ("assistants.candidates.1", "assistants.candidates.2", "controls.untaught")
    )
    assert isinstance(choice, Choice)
    return choice.decide(Figures({one: first, two: second, untaught: (0.7, 1)}, 0.9))


@pytest.mark.parametrize(
    ("first", "second", "chosen", "equally_near"),
    [
        ((0.85, 9), (0.78, 5), "2", False),
        ((0.81, 9), (0.95, 5), "1", False),
        ((0.79, 9), (0.81, 5), "2", True),
        ((0.81, 5), (0.79, 9), "1", True),
        ((0.81, 5), (0.79, 5), "1", True),
    ],
    ids=["nearer below", "nearer above", "the smaller", "the smaller, first", "the first"],
)
def test_the_candidate_nearest_the_mean_of_ensemble_and_untaught_is_taken(
    tmp_path: Path,
    first: tuple[float, int],
    second: tuple[float, int],
    chosen: str,
    equally_near: bool,
) -> None:
    decision = decided(small.planned(tmp_path, BOTH), first, second)
    assert decision.chosen == chosen
    figures = dict(decision.figures)
    assert figures.pop("target") == pytest.approx(0.8)
    assert figures == {
        "candidates": {"1": first[0], "2": second[0]},
        "ensemble": 0.9,
        "untaught": 0.7,
    }
    assert "nearest to 80.00 %, the mean of the ensemble's (90.00 %)" in decision.reason
    assert ("of equally near ones" in decision.reason) is equally_near
