"""Latency as a score: of an architecture, measured once, before a student of it is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.results.study_report import StudyReport
from tests.orchestrator.studies import tiny

pytestmark = pytest.mark.slow

SPACE = {
    "student.model.hidden": {"choice": {"small": [8], "large": [48]}},
    "student.train.optimizer.lr": {"categorical": [0.1, 0.2]},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("latency")


@pytest.fixture(scope="module")
def report(folder: Path) -> StudyReport:
    scores = {"accuracy": "maximize", "latency_ms": "minimize"}
    return tiny.run(folder, tiny.recipe(SPACE, sampler="grid", trials=4, scores=scores))


def test_it_is_measured_once_for_each_architecture(folder: Path, report: StudyReport) -> None:
    widths = [trial.params["student.model.hidden"] for trial in report.trials]
    found = {
        (width, t.scores["latency_ms"]) for width, t in zip(widths, report.trials, strict=True)
    }
    assert sorted(width for width, _ in found) == ["large", "small"], "two trials have one value"
    # Beside the trials' those of the teacher and of the untaught student of 16 units.
    assert len([*(folder / "home/cache/latency").glob("*.json")]) == 4
    assert report.references["wide"].latency_ms["1"] > 0


def test_what_is_too_slow_is_not_trained(tmp_path: Path) -> None:
    report = tiny.run(tmp_path, tiny.recipe(SPACE, trials=2, limits={"latency_ms": 1e-6}))
    assert [trial.state for trial in report.trials] == ["PRUNED"] * 2
    assert all("is above the limit 1e-06" in (trial.reason or "") for trial in report.trials)
    assert not (tmp_path / "home/studies/tiny/trials").exists(), "no stage of them has begun"
    assert report.winners == ()
