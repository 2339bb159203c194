"""What stages a route plans: where its anchors are, what starts from what, and what it shares."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.planning.controls import untaught_stage
from orchestrator.planning.graph import Graph
from orchestrator.planning.stage import StageRole
from orchestrator.schedule_config import Route
from students.models.config import Weights
from students.specs import StageOutput
from tests import small
from tests.golden.cases import golden

SIX = "teachers.wide.train.epochs=6"
ALONE = ("teachers.deep=null", SIX)


def route(**options: object) -> str:
    """The schedule, for an override."""
    given = "".join(f", {key}: {value}" for key, value in options.items())
    return f"schedule={{kind: route{given}}}"


def taught(graph: Graph) -> dict[str, list[str]]:
    """The teachers of each stage that has some."""
    return {
        stage.title: [ref.title for ref in stage.teachers]
        for stage in graph.stages
        if stage.teachers
    }


def test_evenly_spaced_anchors_are_those_of_the_golden_case() -> None:
    case = golden("rco_schedule")
    schedule = Route(anchors=case.inputs["anchors"])
    epochs = schedule.anchor_epochs(case.inputs["teacher_epochs"])
    assert list(epochs) == case.expected["anchor_epochs"]
    names = [*schedule.names, "student"]
    assert [[n, each] for n, each in enumerate(epochs, 1)] == case.expected["stages"]
    assert len(names) == len(epochs)


@pytest.mark.parametrize("trained", range(1, 40))
def test_anchors_increase_and_the_last_is_the_finished_teacher(trained: int) -> None:
    for count in range(1, trained + 1):
        epochs = Route(anchors=count).anchor_epochs(trained)
        assert list(epochs) == sorted(set(epochs))
        assert (len(epochs), epochs[0] > 0, epochs[-1]) == (count, True, trained)


def test_each_stage_starts_from_the_one_before_and_has_the_next_anchor(tmp_path: Path) -> None:
    graph = small.planned(tmp_path, SIX, route(teacher="wide"), "controls=[]")
    assert taught(graph) == {
        "route.1": ["wide after epoch 2"],
        "route.2": ["wide after epoch 4"],
        "student": ["wide"],
    }
    stages = [graph.stage(name) for name in taught(graph)]
    assert [stage.role for stage in stages] == [StageRole.ROUTE] * 2 + [StageRole.STUDENT]
    weights = [stage.cohort[0].weights for stage in stages]
    assert weights == [None, *(StageOutput(stage.digest) for stage in stages[:2])]
    trains = [(stage.cohort[0].train, stage.cohort[0].seed) for stage in stages]
    assert trains == [trains[0]] * 3
    teacher = graph.stage("teachers.wide")
    assert teacher.extras == ("anchor.2", "anchor.4")
    assert graph.stage("teachers.deep").extras == ()
    assert teacher.digest == small.planned(tmp_path, SIX).stage("teachers.wide").digest


@pytest.mark.parametrize("one", [route(anchors=1), route(epochs=[6])])
def test_one_anchor_at_the_end_is_offline(tmp_path: Path, one: str) -> None:
    offline, other = (small.planned(tmp_path, *ALONE, *more) for more in ((), (one,)))
    assert small.digests(offline) == small.digests(other)
    assert offline.digest == other.digest
    assert other.stage("teachers.wide").extras == ()


def test_one_anchor_of_several_teachers_is_the_control_of_that_teacher_alone(
    tmp_path: Path,
) -> None:
    controls = "controls=[single_teachers]"
    graph = small.planned(tmp_path, route(anchors=1, teacher="deep"), controls)
    digests = small.digests(graph)
    assert digests["student"] == digests["controls.single_teachers.deep"]


def test_a_stopped_teachers_route_ends_where_it_does(tmp_path: Path) -> None:
    stop = "teachers.wide.train.stop_epoch=4"
    graph = small.planned(tmp_path, *ALONE, stop, route(anchors=2), "controls=[]")
    assert taught(graph) == {"route.1": ["wide after epoch 2"], "student": ["wide"]}


def test_an_anchor_has_another_digest_than_the_finished_teacher(tmp_path: Path) -> None:
    early, late = (
        small.planned(tmp_path, *ALONE, route(epochs=[epoch])).stage("student") for epoch in (5, 6)
    )
    assert early.teachers[0].stage == late.teachers[0].stage
    assert early.digest != late.digest


def test_routes_with_a_common_beginning_share_it(tmp_path: Path) -> None:
    short, long = (
        small.digests(small.planned(tmp_path, *ALONE, route(epochs=epochs)))
        for epochs in ([1, 2, 6], [1, 2, 4, 6])
    )
    assert (short["route.1"], short["route.2"]) == (long["route.1"], long["route.2"])
    assert short["student"] != long["route.3"]


def test_every_repeat_has_a_route_of_its_own_along_one_teacher(tmp_path: Path) -> None:
    graph = small.planned(tmp_path, *ALONE, route(anchors=2), "controls=[]", repeats=2)
    titles = ["teachers.wide", "route.1", "student", "route.1#2", "student#2"]
    assert small.titles(graph.stages) == titles
    [spec] = graph.stage("student", 1).cohort
    assert spec.weights == StageOutput(graph.stage("route.1", 1).digest)
    assert len({stage.digest for stage in graph.stages}) == 5
    assert [stage.crowd.stages for stage in graph.stages] == [0] * 5


def test_controls_start_where_the_route_does(tmp_path: Path) -> None:
    controls = "controls=[untaught, direct]"
    plain = small.digests(small.planned(tmp_path, SIX))
    graph = small.planned(tmp_path, SIX, route(teacher="wide"), controls)
    assert small.digests(graph)["controls.untaught"] == plain["controls.untaught"]
    assert small.digests(graph)["controls.direct"] == plain["student"]
    without = small.planned(tmp_path, SIX, route(teacher="wide"), "controls=[]")
    assert untaught_stage(without.stages).digest == plain["controls.untaught"]


def test_a_route_begins_at_the_weights_that_the_student_is_given(tmp_path: Path) -> None:
    (tmp_path / "start.pt").write_bytes(b"some")
    graph = small.planned(tmp_path, *ALONE, route(anchors=2), "student.weights=start.pt")
    assert graph.stage("route.1").cohort[0].weights == Weights(path="start.pt")
