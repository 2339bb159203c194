"""The main job end to end on a small recipe: one run, its report, and what a second one costs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from cluster.ray.local_runtime import LocalRuntime
from orchestrator.execution import session
from orchestrator.home.store import Store
from students.knowledge import AnswerCounts
from students.specs import MODEL
from students.storage.outcome import TEST, VALIDATION, read_logits, read_outcomes, weights_file
from students.storage.step_log import read_committed
from tests import small
from tests.running import (
    IN_PROCESS,
    Finished,
    RecordingWatcher,
    metrics,
    run_stages,
    runs_of,
    undisturbed,
)

STAGES = ["teachers.wide", "teachers.deep", "student", "controls.untaught"]
STEPS = 12
"""The student's: 225 samples, 4 steps of 64 in each of 3 epochs."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return undisturbed(tmp_path_factory)


def test_the_object_has_the_keys_that_the_contract_names(finished: Finished) -> None:
    contract = {
        "name", "recipe_digest", "outcome", "seconds", "student", "untaught", "students",
        "teachers", "stages", "artifacts",
    }  # fmt: skip
    beside = {"ensemble", "controls", "curves", "soft_targets", "omitted", "teaching"} | {
        "teacher_weights", "terms", "format", "remarks", "failures", "assistants", "generations",
        "generations_ensemble", "route", "route_choices", "choice", "first_stage",
    }  # fmt: skip
    assert set(finished.object) == contract | beside
    assert (finished.object["name"], finished.object["outcome"]) == ("small", "done")
    assert finished.object["students"] == {}
    assert set(finished.object["teachers"]) == {"wide", "deep"}
    for stage in finished.object["stages"]:
        assert set(stage) == {"name", "digest", "ran", "seconds", "needs"}
    assert [stage["name"] for stage in finished.object["stages"]] == STAGES


def models(finished: Finished) -> list[dict[str, Any]]:
    found = finished.object
    return [*found["teachers"].values(), found["student"], found["untaught"]]


def test_each_model_says_how_good_and_how_large_it_is(finished: Finished) -> None:
    for model in models(finished):
        for part in ("test", "validation"):
            scores = model[part]
            assert {"accuracy", "nll", "ece", "agreement"} <= set(scores)
            assert 0.15 < scores["accuracy"] <= 1, "better than chance, which is 0.1"
            assert 0 < scores["nll"] < 3
            assert 0 <= scores["ece"] < 1
        assert set(model["latency_ms"]) == {"1", "64"}
        assert 0 < model["latency_ms"]["64"] < model["latency_ms"]["1"]
        assert len(model["weights_sha256"]) == 64
    student = finished.object["student"]
    assert student["parameters"] == 64 * 16 + 16 + 16 * 10 + 10
    assert student["macs"] == 64 * 16 + 16 * 10
    assert student["bytes"] == 4 * student["parameters"]


def test_taught_and_untaught_differ_by_teaching_alone(finished: Finished) -> None:
    student, untaught = finished.object["student"], finished.object["untaught"]
    assert student["weights_sha256"] != untaught["weights_sha256"]
    for figure in ("parameters", "macs", "bytes"):
        assert student[figure] == untaught[figure]
    assert student["validation"]["agreement"] > untaught["validation"]["agreement"]


def test_the_report_lies_where_the_object_says(finished: Finished) -> None:
    artifacts = {name: Path(path) for name, path in finished.object["artifacts"].items()}
    assert {"recipe.yaml", "report.md", "report.json"} < set(artifacts)
    assert all(path.is_file() and path.stat().st_size for path in artifacts.values())
    assert sum(path.suffix == ".png" for path in artifacts.values()) >= 2
    assert json.loads(artifacts["report.json"].read_text()) == finished.object
    assert artifacts["report.json"].is_relative_to(finished.home / "runs")


def test_a_ray_and_deepspeed_give_the_same_bits_as_one_process_and_torch(
    finished: Finished, local_runtime: LocalRuntime, tmp_path: Path
) -> None:
    watcher = RecordingWatcher()
    loaded = small.loaded(tmp_path)
    assert loaded.recipe.student.engine.kind == "deepspeed"
    results = run_stages(loaded, tmp_path / "home", watcher=watcher)
    assert watcher.titles("end")[-1] in {"student", "controls.untaught"}
    assert sorted(watcher.titles("begin")) == sorted(STAGES)
    weights = {result.stage.title: result.outcomes[MODEL].weights_sha256 for result in results}
    assert weights == finished.weights()
    here, there = Store(finished.home), Store(tmp_path / "home")
    for digest in finished.digests().values():
        folders = [store.folder(digest) for store in (here, there)]
        for part in (VALIDATION, TEST):
            ours, theirs = (read_logits(folder, MODEL, part) for folder in folders)
            assert ours is not None
            assert theirs is not None
            assert torch.equal(ours, theirs)
        mine, other = (read_outcomes(folder)[MODEL] for folder in folders)
        assert mine.curve == other.curve
    # Another seed on the same views: only the teacher whose taps are not kept is asked at all.
    again = small.loaded(tmp_path, "student.train.seed=3", "controls=[]")
    student = run_stages(again, tmp_path / "home")[-1].outcomes[MODEL]
    asked = STEPS * 64
    assert student.answers["deep"] == AnswerCounts(read=asked)
    assert student.answers["wide"] == AnswerCounts(asked=asked, computed=asked)


@pytest.mark.slow
def test_two_ranks_are_taught_the_same_as_one(
    local_runtime: LocalRuntime, finished: Finished, tmp_path: Path
) -> None:
    """Each rank has its own stream from the one teacher, and its own half of each batch."""
    outcomes = {}
    for ranks in (1, 2):
        folder = tmp_path / str(ranks)
        folder.mkdir()
        home = finished.copied(folder, without=("student", "controls.untaught"))
        settings = ("teachers.deep=null", "controls=[]", f"student.engine.ranks={ranks}")
        one = (*IN_PROCESS, *settings) if ranks == 1 else settings
        student = run_stages(small.loaded(folder, *one), home)[-1]
        stage = Store(home).folder(student.stage.digest)
        rows = [row.values for row in read_committed(stage, student.outcomes[MODEL].segments)]
        outcomes[ranks] = (student.stage.digest, rows, load_file(weights_file(stage)))
    (digest, alone, whole), (same, shared, halves) = outcomes[1], outcomes[2]
    assert digest == same
    assert len(shared) == len(alone) == STEPS + 3
    assert shared[0]["loss"] == pytest.approx(alone[0]["loss"], abs=1e-6)
    assert shared[0]["terms/soft_targets"] == pytest.approx(alone[0]["terms/soft_targets"])
    assert all(torch.allclose(whole[name], halves[name], atol=1e-5) for name in whole)


def test_mlflow_has_each_step_and_each_epoch_once(finished: Finished) -> None:
    recorded = metrics(finished.home, finished.digests()["student"])
    assert all(len(values) == 1 for values in recorded.values())
    for metric in ("loss", "terms/task", "terms/soft_targets", "terms/near", "learning_rate",
                   "wait_seconds", "samples_per_second"):  # fmt: skip
        assert [step for key, step in recorded if key == metric] == list(range(STEPS)), metric
    assert [step for key, step in recorded if key == "validation/accuracy"] == [3, 7, 11]
    names = {name for name, _ in runs_of(finished.home)}
    assert names == {"small", *STAGES}
    assert {status for _, status in runs_of(finished.home)} == {"FINISHED"}


@pytest.fixture(scope="module")
def second(finished: Finished) -> Finished:
    """The same command again, on a machine where nothing can be started."""

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a runtime was started for nothing")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "build_runtime", refuse)
        return Finished(finished.folder, finished.home, finished.again())


def test_a_second_run_runs_nothing_and_reports_the_same(
    finished: Finished, second: Finished
) -> None:
    assert second.ran() == []
    assert all(stage["seconds"] == 0 for stage in second.object["stages"])
    for key in ("recipe_digest", "student", "untaught", "teachers", "ensemble", "curves"):
        assert second.object[key] == finished.object[key], key


def test_a_second_run_sends_mlflow_nothing_twice(finished: Finished, second: Finished) -> None:
    for digest in finished.digests().values():
        recorded = metrics(finished.home, digest)
        assert recorded
        assert all(len(values) == 1 for values in recorded.values())
    assert len(runs_of(finished.home)) == 1 + len(STAGES)


@pytest.mark.slow
def test_another_width_and_another_seed_train_students_alone(
    finished: Finished, tmp_path: Path
) -> None:
    copy = Finished(finished.folder, finished.copied(tmp_path), {})
    settings = ("student.model.hidden=[17]", "tracking.experiment=wider", "--repeat", "2")
    wider = Finished(copy.folder, copy.home, copy.again(*settings))
    assert wider.ran() == ["student", "controls.untaught", "student#2", "controls.untaught#2"]
    assert wider.weights()["teachers.wide"] == finished.weights()["teachers.wide"]
    assert wider.object["student"]["parameters"] == 64 * 17 + 17 + 17 * 10 + 10
    assert {"repeats", "reports"} < set(wider.object)
    shas = {report["student"]["weights_sha256"] for report in wider.object["reports"]}
    assert len(shas) == 2
