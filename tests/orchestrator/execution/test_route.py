"""A route along a teacher's training, run."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orchestrator.cli import main
from orchestrator.home.store import Store
from students.specs import StageOutput
from tests.faults import fault, planned
from tests.running import IN_PROCESS, Finished, copy_of, finished, undisturbed

FIVE = "teachers.wide.train.epochs=5"


def route(**options: object) -> str:
    given = {"teacher": "wide"} | options
    return f"schedule={{kind: route, {', '.join(f'{k}: {v}' for k, v in given.items())}}}"


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A student of three anchors, the last of which is the finished teacher."""
    first = undisturbed(tmp_path_factory)
    home = copy_of(first.home, tmp_path_factory.mktemp("route"))
    return finished(first.folder, home, FIVE, route(epochs=[1, 3, 5]), "controls=[untaught]")


def test_each_stage_starts_from_the_one_before_and_is_reported(followed: Finished) -> None:
    assert followed.ran() == ["teachers.wide", "route.1", "route.2", "student"], (
        "untaught is stored"
    )
    assert list(followed.object["route"]) == ["1", "2"]
    first = followed.object["route"]["1"]
    assert first["role"] == "route"
    assert first["parameters"] == followed.object["student"]["parameters"]
    assert set(first["latency_ms"]) == {"1", "64"}
    report = Path(followed.object["artifacts"]["report.md"]).read_text()
    assert "route 1" in report
    assert "route 2" in report
    assert followed.object["teaching"]["teachers"]["wide"]["verdict"] == "passed"


def test_the_untaught_student_starts_where_the_route_does(
    followed: Finished, tmp_path_factory: pytest.TempPathFactory
) -> None:
    untaught = undisturbed(tmp_path_factory).object["untaught"]["weights_sha256"]
    assert followed.object["untaught"]["weights_sha256"] == untaught


def test_the_anchors_answers_are_its_own(followed: Finished) -> None:
    """Three networks have answered, so each has a shelf of its own in the bank."""
    digest = followed.digests()["teachers.wide"]
    store = Store(followed.home)
    outputs = [StageOutput.anchor(digest, 1), StageOutput.anchor(digest, 3), StageOutput(digest)]
    found = [store.outcome(output) for output in outputs]
    assert len({outcome.weights_sha256 for outcome in found if outcome is not None}) == 3
    assert len(shelves(followed.home) - shelves(followed.folder / "home")) == 3


def shelves(home: Path) -> set[str]:
    """The folders of the bank, one for each teacher."""
    return {folder.name for folder in (home / "bank").iterdir() if folder.is_dir()}


def test_another_route_along_the_same_teacher_runs_only_what_is_new(
    followed: Finished, tmp_path: Path
) -> None:
    home = copy_of(followed.home, tmp_path)
    longer = finished(followed.folder, home, FIVE, route(epochs=[1, 2, 3, 5]), "controls=[]")
    assert longer.ran() == ["teachers.wide", "route.2", "route.3", "student"]
    before = followed.object["teachers"]["wide"]["weights_sha256"]
    assert longer.object["teachers"]["wide"]["weights_sha256"] == before
    assert (
        longer.object["route"]["1"]["weights_sha256"]
        == (followed.object["route"]["1"]["weights_sha256"])
    )
    again = finished(followed.folder, home, FIVE, route(epochs=[1, 2, 3, 5]), "controls=[]")
    assert again.ran() == []


def test_every_repeat_has_a_route_of_its_own(followed: Finished, tmp_path: Path) -> None:
    home = copy_of(followed.home, tmp_path)
    both = finished(followed.folder, home, FIVE, route(epochs=[1, 5]), "controls=[]", "--repeat=2")
    assert both.ran() == ["student", "route.1#2", "student#2"]


@pytest.mark.slow
def test_greedy_anchors_are_chosen_once_and_reported(
    followed: Finished, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = copy_of(followed.home, tmp_path_factory.mktemp("greedy"))
    greedy = route(anchors="greedy", threshold=0.05)
    chosen = finished(followed.folder, home, FIVE, greedy, "controls=[untaught]")
    choices = chosen.object["route_choices"]
    epochs = [choice["epochs"] for choice in choices.values()]
    assert list(choices) == [str(number) for number in range(1, len(epochs) + 1)]
    assert epochs == sorted(set(epochs))
    assert (epochs[0] > 1, epochs[-1]) == (True, 5)
    assert list(chosen.object["route"]) == list(choices)
    assert "teachers.wide" in chosen.ran(), "it lacked some of the candidates"
    assert "route.1" not in chosen.ran(), "the other route begins with it"
    assert list(choices["1"]["divergence"]) == ["2", "3", "4", "5"]
    report = Path(chosen.object["artifacts"]["report.md"]).read_text()
    assert f"After route 1 the next anchor is the teacher after epoch {epochs[0]}, since" in report
    explicit = finished(followed.folder, home, FIVE, route(epochs=[1, *epochs]), "controls=[]")
    assert explicit.ran() == []
    assert (
        explicit.object["student"]["weights_sha256"] == (chosen.object["student"]["weights_sha256"])
    )
    again = finished(followed.folder, home, FIVE, greedy, "controls=[untaught]")
    assert again.ran() == []
    assert again.object["route_choices"] == choices


def test_an_anchor_near_chance_teaches_though_its_teacher_would_not_pass(
    followed: Finished, tmp_path: Path
) -> None:
    """Its learning rate rises from almost nothing, so after one epoch it is hardly trained."""
    slow = ("teachers.wide.train.epochs=5", "teachers.wide.train.lr_schedule.warmup=4.9")
    slow += ("teachers.wide.train.optimizer.lr=1e-5", "teachers.deep=null", "controls=[]")
    home = copy_of(followed.home, tmp_path)
    early = finished(followed.folder, home, *slow, route(epochs=[1]))
    assert early.object["teachers"]["wide"]["test"]["accuracy"] < 0.2
    assert early.object["teaching"]["teachers"]["wide"]["verdict"] == "passed"
    refused = run(followed.folder, home, *slow, "teachers.wide.train.stop_epoch=1")
    assert refused.exit_code == 2
    assert "chance alone gives" in refused.output, "the same weights, as a finished teacher"


def test_an_interrupted_route_ends_with_the_same_student(
    followed: Finished, tmp_path: Path
) -> None:
    gone = [followed.digests()[name] for name in ("route.1", "route.2", "student")]
    home = copy_of(followed.home, tmp_path, without=gone)
    same = (FIVE, route(epochs=[1, 3, 5]), "controls=[untaught]")
    with planned(tmp_path, fault("student", 6, "interrupt")):
        assert run(followed.folder, home, *same).exit_code == 130
    again = finished(followed.folder, home, *same)
    assert again.ran() == ["route.1", "route.2", "student"]
    for one, other in (
        *((each.object["route"][name] for each in (again, followed)) for name in ("1", "2")),
        (again.object["student"], followed.object["student"]),
    ):
        assert one["weights_sha256"] == other["weights_sha256"]
        assert one["test"] == other["test"]


def run(folder: Path, home: Path, *arguments: str) -> Result:
    """The command, however it ends."""
    command = ["--home", str(home), "run", str(folder / "recipe.yaml"), *IN_PROCESS, *arguments]
    return CliRunner().invoke(main, command)
