"""Specialists end to end: teachers of some classes, trained here, and a student of all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import stillhouse
from orchestrator.execution.session import Session
from orchestrator.home.store import Store
from orchestrator.report.collect_run import collect_run
from orchestrator.results.run_report import RunReport
from students.specs import MODEL
from students.storage.outcome import TEST, Outcome, read_logits
from students.storage.step_log import read_committed
from tests import small
from tests.running import RecordingWatcher, copy_of

KNOWN = {"low": [3, 2, 1, 0], "middle": [4, 5, 6], "high": [7, 8, 9]}
ALONE = "teachers.all=null"


def recipe() -> dict[str, Any]:
    """One teacher of all classes, and three that cover disjoint parts of them."""
    train = {"epochs": 5, "batch_size": 32, "threads": 1, "optimizer": {"lr": 0.1}}
    model, engine = {"kind": "mlp", "hidden": [32]}, {"kind": "torch"}
    one = {"model": model, "train": train, "engine": engine, "threads": 1, "precision": "fp32"}
    data = small.recipe()
    data["name"] = "specialists"
    data["transfer_set"] |= {"validation": 200, "augment": "none"}
    data["cluster"] = {"mode": "in_process"}
    data["controls"] = []
    data["ensemble"] = {"weighting": "specialists"}
    data["teachers"] = {"all": one} | {n: {**one, "classes": known} for n, known in KNOWN.items()}
    data["student"]["engine"] = engine
    del data["student"]["objective"]["near"]
    return data


@dataclass(frozen=True)
class Run:
    """All stages of a recipe, done."""

    home: Path
    report: RunReport
    outcomes: dict[str, Outcome]
    digests: dict[str, str]
    ran: list[str]

    def last_epoch(self) -> dict[str, float]:
        """What the student recorded of its last epoch."""
        folder = Store(self.home).folder(self.digests["student"])
        rows = read_committed(folder, self.outcomes["student"].segments)
        return dict([row for row in rows if row.kind == "epoch"][-1].values)


def done(folder: Path, *settings: str) -> Run:
    loaded, home = small.loaded(folder, *settings, data=recipe()), folder / "home"
    with Session(home, loaded.recipe.cluster) as session:
        session.store.prepare()
        graph = stillhouse.plan(loaded, session)
        result = session.submit(graph, RecordingWatcher()).result()
        data, results = session.transfer_set(graph.data), result.results
        report = collect_run(result, session.store, data, latency={}, seconds=1.0)
        return Run(
            home,
            report,
            {each.stage.name: each.outcomes[MODEL] for each in results},
            {each.stage.name: each.stage.digest for each in results},
            [each.stage.name for each in results if each.ran],
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("specialists")


@pytest.fixture(scope="module")
def guided(folder: Path) -> Run:
    return done(folder)


def test_a_specialist_is_evaluated_on_its_classes_alone(guided: Run) -> None:
    for name, known in KNOWN.items():
        model = guided.report.teachers[name]
        assert model.classes == tuple(sorted(known))
        assert model.test.accuracy > 0.85
        assert model.test.nll < 1.0, "not that of classes it has no outputs for"
        assert model.test.per_class is not None
        evaluated = {i for i, share in enumerate(model.test.per_class) if share is not None}
        assert evaluated == set(known)
    assert guided.report.teachers["all"].classes is None


def test_its_last_validation_has_the_figures_of_the_report(guided: Run) -> None:
    for name in KNOWN:
        last, model = guided.outcomes[f"teachers.{name}"].curve[-1], guided.report.teachers[name]
        assert model.validation is not None
        assert last.accuracy == pytest.approx(model.validation.accuracy)
        assert last.nll == pytest.approx(model.validation.nll, rel=1e-4)


def test_a_specialist_has_an_output_per_own_class_and_answers_over_all(guided: Run) -> None:
    parameters = {name: model.parameters for name, model in guided.report.teachers.items()}
    hidden = 64 * 32 + 32
    assert parameters["middle"] == parameters["high"] == hidden + 3 * 33
    assert parameters["all"] == hidden + 10 * 33
    folder = Store(guided.home).folder(guided.digests["teachers.middle"])
    answers = read_logits(folder, MODEL, TEST)
    assert answers is not None
    assert answers.shape == (450, 10)
    assert set(answers.argmax(1).tolist()) == {4, 5, 6}


def test_each_specialist_has_weight_on_its_own_classes(guided: Run) -> None:
    last = guided.last_epoch()
    assert last["weights/all"] == pytest.approx(0.5, abs=0.01)
    for name, known in KNOWN.items():
        mine = [last[f"weights/{name}/{number}"] for number in known]
        other = [last[f"weights/{name}/{n}"] for n in range(10) if n not in known]
        assert min(mine) > 0.25 > max(other)
    assert 0 < last["rule/changed"] <= 1


def test_a_second_run_runs_no_stage(guided: Run, folder: Path) -> None:
    assert done(folder).ran == []


def test_stored_and_live_answers_of_specialists_give_the_same_student(
    guided: Run, folder: Path, tmp_path: Path
) -> None:
    lively = done(folder, "student.train.checkpoint.keep=3", "ensemble.bank=none")
    assert lively.ran == []
    copy_of(guided.home, tmp_path, without=[guided.digests["student"]])
    again = done(tmp_path, "ensemble.bank=none")
    assert again.ran == ["student"]
    assert again.outcomes["student"].weights_sha256 == guided.outcomes["student"].weights_sha256


def test_specialists_teach_without_a_generalist(guided: Run, folder: Path) -> None:
    alone = done(folder, ALONE)
    assert alone.ran == ["student"], "the specialists are the same"
    assert alone.report.ensemble is not None
    # No single one can be correct on more than two fifths of the samples.
    assert alone.report.ensemble.test.accuracy > 0.5
    assert alone.report.ensemble.test.nll < 2.0
    assert alone.last_epoch()["weights/middle"] == pytest.approx(1 / 3)


def test_a_uniform_mean_of_specialists_is_allowed(guided: Run, folder: Path) -> None:
    mixed = done(folder, "ensemble.weighting=uniform")
    assert mixed.report.ensemble is not None
    assert mixed.report.ensemble.test.nll < 5.0
    assert mixed.outcomes["student"].weights_sha256 != guided.outcomes["student"].weights_sha256
