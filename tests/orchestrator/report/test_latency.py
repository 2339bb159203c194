"""Claims about latencies: one for each architecture, measured again while others use the core."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from orchestrator.home.store import Store
from orchestrator.report import latency
from orchestrator.report.collect_models import FinishedModel
from students.models.profile import MeasuredLatency
from students.specs import MODEL, StageOutput
from students.storage.outcome import Outcome
from students.transfer_sets.catalog import load_transfer_set
from tests import small


def reports(folder: Path) -> Iterator[list[float]]:
    """What one report after the other says of the student and of the untaught one."""
    stages = small.planned(folder)
    data = stages.stage("student").data
    transfer_set = load_transfer_set(data.transfer_set, folder=folder, cache=data.cache)
    store = Store(folder / "home")
    store.prepare()
    models = [
        FinishedModel(
            stage.name,
            stage,
            StageOutput(stage.digest),
            stage.models[MODEL],
            Outcome("ab", 1, 1, 1),
        )
        for stage in map(stages.stage, ("student", "controls.untaught"))
    ]
    while True:
        found = latency.latencies(models, store, transfer_set, nullcontext)
        yield [found[model.output]["1"] for model in models]


def test_models_of_one_architecture_have_one_latency_the_least_disturbed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = iter([0.2, 0.4, 0.3, 0.5, 0.95])

    def measure(*_: Any) -> MeasuredLatency:
        share = next(shares)
        return MeasuredLatency({"1": 1 / share, "64": 1.0}, share)

    monkeypatch.setattr(latency, "measure_latency", measure)
    monkeypatch.setattr(latency, "finished_network", lambda *_: None)
    report = reports(tmp_path)
    assert next(report) == [1 / 0.4] * 2
    assert next(report) == [1 / 0.95] * 2, "measured again, for it was disturbed"
    assert next(report) == [1 / 0.95] * 2, "read"
