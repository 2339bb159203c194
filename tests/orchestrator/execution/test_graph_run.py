"""Each node runs once what it needs is done, and what is stored does not; with a fake runner."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.commands import check
from orchestrator.execution.stage_runner import Attempt
from orchestrator.home.store import DECISION
from orchestrator.planning.graph import Decision, Graph
from orchestrator.planning.stage import Stage
from students.specs import MODEL
from students.storage.outcome import read_outcomes
from tests import small
from tests.orchestrator.choices import choose_student
from tests.orchestrator.execution.fake_stages import FakeStages, Runner, fake_stages
from tests.running import RecordingWatcher

STAGES = ["teachers.wide", "teachers.deep", "student", "controls.untaught"]


class Unlucky(Exception):
    """Raised by a stage that fails."""


@pytest.fixture(params=[True, False], ids=["parallel", "one_by_one"])
def stages(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> FakeStages:
    return fake_stages(tmp_path, monkeypatch, parallel=request.param)


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    return small.planned(tmp_path)


def run(stages: FakeStages, graph: Graph) -> tuple[Runner, RecordingWatcher, dict[str, bool]]:
    """The runner, the watcher, and which stages ran by title."""
    runner, watcher = Runner(stages.store), RecordingWatcher()
    results = stages.run(graph, runner, watcher)
    assert [result.stage for result in results] == list(graph.stages)
    return runner, watcher, {result.stage.title: result.ran for result in results}


def fail(stage: Stage, attempt: Attempt) -> None:
    """What a runner does meanwhile."""
    if stage.title == "teachers.deep":
        raise Unlucky("it fell")


def test_every_stage_runs_once_its_teachers_are_done(stages: FakeStages, graph: Graph) -> None:
    runner, watcher, ran = run(stages, graph)
    assert sorted(runner.ran) == sorted(STAGES)
    assert ran == dict.fromkeys(STAGES, True)
    assert sorted(watcher.titles("begin")) == sorted(watcher.titles("end")) == sorted(STAGES)


def test_what_is_stored_is_not_run_again(stages: FakeStages, graph: Graph) -> None:
    run(stages, graph)
    runner, watcher, ran = run(stages, graph)
    assert runner.ran == runner.tested == []
    assert ran == dict.fromkeys(STAGES, False)
    assert watcher.titles("begin") == []
    assert sorted(watcher.titles("end")) == sorted(STAGES)


def test_only_a_stage_whose_outcome_is_damaged_is_run_again(
    stages: FakeStages, graph: Graph
) -> None:
    run(stages, graph)
    student = stages.store.folder(graph.stage("student").digest)
    (student / "outcome" / MODEL / "answers.safetensors").write_bytes(b"gone")
    stages.store = type(stages.store)(stages.store.home)
    runner, watcher, _ = run(stages, graph)
    assert runner.ran == ["student"]
    assert ("begin", "student", 2) in watcher.events, "the second attempt"


def test_models_are_evaluated_on_the_test_part_where_the_graph_asks_for_it(
    stages: FakeStages, graph: Graph
) -> None:
    runner, _, _ = run(stages, replace(graph, tests=False))
    assert (sorted(runner.ran), runner.tested) == (sorted(STAGES), [])
    runner, _, _ = run(stages, graph)
    assert (runner.ran, sorted(runner.tested)) == ([], sorted(STAGES))


def test_the_error_of_a_stage_ends_the_run_and_the_same_run_resumes(
    stages: FakeStages, graph: Graph
) -> None:
    failing = Runner(stages.store, fail)
    with pytest.raises(Unlucky, match="it fell"):
        stages.run(graph, failing)
    # Which of the others had come to their end, their threads decide.
    folders = {stage.title: stages.store.folder(stage.digest) for stage in graph.stages}
    finished = {title for title, folder in folders.items() if read_outcomes(folder)}
    assert finished <= {"teachers.wide", "controls.untaught"}
    runner, _, ran = run(stages, graph)
    assert {title for title, ran_now in ran.items() if not ran_now} == finished
    assert sorted(runner.ran) == sorted(set(STAGES) - finished)


def test_stages_of_one_digest_are_run_once(stages: FakeStages, tmp_path: Path) -> None:
    data = small.recipe()
    data["teachers"]["deep"] = data["teachers"]["wide"]
    for name in ("wide", "deep"):
        data["teachers"][name] = {**data["teachers"][name], "train": {"epochs": 2, "seed": 3}}
    graph = small.planned(tmp_path, data=data)
    assert len({stage.digest for stage in graph.stages}) == 3
    runner, watcher, ran = run(stages, graph)
    assert sum(title.startswith("teachers.") for title in runner.ran) == 1
    assert sorted(ran.values()) == [False, True, True, True]
    assert sorted(watcher.titles("end")) == sorted(STAGES)


def test_a_choice_is_decided_once_and_its_stages_run(stages: FakeStages, graph: Graph) -> None:
    choice = choose_student(graph, "which")
    asked = replace(graph, nodes=(*graph.nodes, choice))
    decisions = []
    for ran in (True, False):
        watcher, runner = RecordingWatcher(), Runner(stages.store)
        with stages.session(runner) as session:
            result = session.submit(asked, watcher).result()
        assert result.graph.digest == asked.digest
        assert small.titles(result.graph.stages) == [*STAGES, "taught by wide"]
        [grown] = [each for each in result.results if each.stage.title == "taught by wide"]
        assert grown.ran is ran
        [(title, decision)] = [event[1:] for event in watcher.events if event[0] == "choice"]
        assert title == "which"
        decisions.append(decision)
    assert len(choice.decide.__self__.asked) == 1, "the second time it was read"  # type: ignore[attr-defined]
    reason = "wide has 0.500 on the validation part"
    assert decisions == [Decision("wide", reason)] * 2
    assert stages.store.has_result(choice)


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        (b'{"chosen": "wi', "it is not JSON"),
        (b'{"chosen": "narrow", "reason": "it was best"}', "it chooses none of wide or deep"),
    ],
    ids=["cut", "no_option"],
)
def test_a_decision_that_is_damaged_is_made_again(
    stages: FakeStages,
    graph: Graph,
    caplog: pytest.LogCaptureFixture,
    stored: bytes,
    reason: str,
) -> None:
    choice = choose_student(graph, "which")
    asked, runner = replace(graph, nodes=(*graph.nodes, choice)), Runner(stages.store)
    stages.run(asked, runner)
    (stages.store.folder(choice.digest) / DECISION).write_bytes(stored)
    assert stages.store.grown(asked) == asked
    assert f"is damaged ({reason}); the choice is made again" in caplog.text
    stages.run(asked, runner)
    assert len(choice.decide.__self__.asked) == 2  # type: ignore[attr-defined]
    assert small.titles(stages.store.grown(asked).stages) == [*STAGES, "taught by wide"]


def test_a_choice_is_shown_as_undecided_until_it_is_decided(
    stages: FakeStages, graph: Graph, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = replace(graph, nodes=(*graph.nodes, choose_student(graph, "which")))
    monkeypatch.setattr(check, "make_plan", lambda *args, **kwargs: asked)

    def last_rows() -> list[tuple[str, str, bool]]:
        rows = check.plan_rows(small.loaded(tmp_path), stages.store.home)
        return [(row["name"], row["does"], row["stored"]) for row in rows[len(STAGES) :]]

    assert last_rows() == [
        ("which", "undecided: wide or deep", False),
        ("a student", "depends on which", False),
    ]
    stages.run(asked, Runner(stages.store))
    assert last_rows() == [
        ("which", "has chosen wide", True),
        ("taught by wide", "teaches mlp, 3 epochs", True),
    ]


def test_a_choice_waits_for_what_it_is_decided_from(stages: FakeStages, graph: Graph) -> None:
    choice = choose_student(graph, "which")
    asked = replace(graph, nodes=(choice, *graph.nodes))
    runner = Runner(stages.store)
    stages.run(asked, runner)
    [outcomes] = choice.decide.__self__.asked  # type: ignore[attr-defined]
    assert outcomes.keys() == {graph.stage(f"teachers.{name}").digest for name in ("wide", "deep")}
    assert all(each[MODEL].weights_sha256 == "ab" for each in outcomes.values())
    assert "taught by wide" in runner.ran
