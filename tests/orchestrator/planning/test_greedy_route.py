"""What ``anchors: greedy`` plans: a choice after each stage of the route, and what follows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.planning.graph import Decision, Graph
from orchestrator.planning.stage import TeacherRef
from orchestrator.planning.thread_allocation import resolve
from orchestrator.schedule_config import Route
from students.specs import StageOutput
from tests import small
from tests.orchestrator.planning.test_route import ALONE, SIX, route, taught

GREEDY = route(anchors="greedy")


def grown(graph: Graph, *labels: int) -> Graph:
    for label in labels:
        [choice] = graph.undecided
        graph = graph.grown(choice, Decision(str(label), "it was"))
    return graph


def test_the_first_anchor_is_the_end_of_the_first_epoch_and_then_it_is_chosen(
    tmp_path: Path,
) -> None:
    graph = small.planned(tmp_path, *ALONE, GREEDY, "controls=[untaught]")
    titles = ["teachers.wide", "route.1", "route.choice.1", "controls.untaught"]
    assert small.titles(graph.nodes) == titles
    [choice] = graph.undecided
    assert choice.options == ("2", "3", "4", "5", "6")
    assert choice.follows == ("student",)
    assert choice.needs == tuple(graph.stage(name).digest for name in titles[:2])
    assert graph.stage("teachers.wide").extras == tuple(f"anchor.{e}" for e in range(1, 6))


@pytest.mark.parametrize("path", [[6], [2, 6], [2, 3, 4, 5, 6]])
@pytest.mark.parametrize("controls", ["controls=[]", "controls=[untaught, direct]"])
def test_the_student_of_chosen_anchors_is_that_of_the_route_along_them(
    tmp_path: Path, path: list[int], controls: str
) -> None:
    recipe = (*ALONE, controls) if "direct" not in controls else (SIX, controls)
    teacher = {} if "direct" not in controls else {"teacher": "wide"}
    asked = small.planned(tmp_path, *recipe, route(anchors="greedy", **teacher))
    chosen = grown(asked, *path)
    given = small.planned(tmp_path, *recipe, route(epochs=[1, *path], **teacher))
    assert chosen.undecided == ()
    assert small.digests(given).items() <= small.digests(chosen).items()
    assert taught(given) == taught(chosen)
    assert chosen.digest == asked.digest
    for stage in given.stages:
        if not stage.name.startswith("teachers."):
            same = chosen.stage(stage.name)
            assert all(resolve(same, cores) == resolve(stage, cores) for cores in (2, 16))


def test_the_first_repeat_decides_for_all(tmp_path: Path) -> None:
    one, two = (
        small.planned(tmp_path, *ALONE, GREEDY, "controls=[]", repeats=repeats)
        for repeats in (1, 2)
    )
    assert one.undecided[0].digest == two.undecided[0].digest
    assert two.undecided[0].follows == ("student", "student#2")
    chosen = grown(two, 3, 6)
    assert set(small.titles(chosen.nodes)) == {
        "teachers.wide", "route.1", "route.1#2", "route.choice.1", "route.2", "route.2#2",
        "route.choice.2", "student", "student#2",
    }  # fmt: skip
    [spec] = chosen.stage("student", 1).cohort
    assert spec.weights == StageOutput(chosen.stage("route.2", 1).digest)
    for stage in chosen.stages:
        assert chosen.up_to(stage).stages[-1] is stage


def test_the_first_of_several_repeats_grow_like_so_many(tmp_path: Path) -> None:
    two, three = (
        small.planned(tmp_path, *ALONE, GREEDY, "controls=[]", repeats=repeats)
        for repeats in (2, 3)
    )
    assert small.titles(three.first_repeats(2).nodes) == small.titles(two.nodes)
    first, asked = grown(three.first_repeats(2), 3, 6), grown(two, 3, 6)
    assert small.digests(first) == small.digests(asked)


def test_another_threshold_is_another_question(tmp_path: Path) -> None:
    digest = small.planned(tmp_path, *ALONE, GREEDY).undecided[0].digest
    for other in (
        [route(anchors="greedy", threshold=0.2)],
        [GREEDY, "student.train.epochs=5"],
        [GREEDY, "teachers.wide.train.epochs=7"],
        [GREEDY, "transfer_set.validation=120"],
    ):
        assert small.planned(tmp_path, *ALONE, *other).undecided[0].digest != digest


def test_a_teacher_of_one_epoch_leaves_nothing_to_choose(tmp_path: Path) -> None:
    one = ("teachers.deep=null", "teachers.wide.train.epochs=1")
    offline, greedy = (small.planned(tmp_path, *one, *more) for more in ((), (GREEDY,)))
    assert small.digests(offline) == small.digests(greedy)


def test_of_many_epochs_twenty_are_candidates() -> None:
    assert Route(anchors="greedy").candidate_epochs(15) == tuple(range(1, 16))
    many = Route(anchors="greedy").candidate_epochs(240)
    assert many == tuple(range(12, 241, 12))


@dataclass(frozen=True)
class Figures:
    """Evidence that is given: the divergence of the student from the anchor after each epoch."""

    divergences: Mapping[int, float]
    last: int

    def divergence(self, teacher: TeacherRef, student: StageOutput) -> float:
        output = teacher.output
        return self.divergences[output.epochs if output.is_anchor else self.last]


@pytest.mark.parametrize(
    ("divergences", "chosen", "reason"),
    [
        ([0.2, 0.28, 0.31, 0.25, 0.4], 3, "is 0.28 nats, and up to it never above 0.3"),
        ([0.1, 0.2, 0.3, 0.2, 0.29], 6, "is 0.29 nats, and up to it never above 0.3"),
        ([0.4, 0.2, 0.2, 0.2, 0.2], 2, "it is the next one, though the student's divergence"),
    ],
)
def test_the_next_anchor_is_the_last_before_one_that_is_too_hard(
    tmp_path: Path, divergences: list[float], chosen: int, reason: str
) -> None:
    [choice] = small.planned(tmp_path, *ALONE, GREEDY).undecided
    decision = choice.decide(Figures(dict(enumerate(divergences, 2)), last=6))
    assert decision.chosen == str(chosen)
    assert reason in decision.reason
    assert list(decision.figures["divergence"].values()) == divergences
