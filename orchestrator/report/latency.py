"""Times finished models one after the other, when nothing else works; remembers the figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrator.execution.executor import StageResult
from orchestrator.home.store import Store
from orchestrator.planning.plan import Plan
from students.durable_files import write_atomically
from students.models.config import ModelConfig, Weights
from students.models.network import Network
from students.models.profile import latency_ms
from students.storage.outcome import weights_file
from students.torch_state import computing_on
from students.transfer_sets.transfer_set import TransferSet
from teachers.inference.loading import load_network

THREADS = 1
"""Latency is that of one core, which compares models on any machine."""


def latencies(
    plan: Plan, store: Store, results: Sequence[StageResult], transfer_set: TransferSet
) -> dict[str, Mapping[str, float]]:
    """Milliseconds per sample, by stage's digest, then by batch size ("1", "64")."""
    return {result.stage.digest: _latency(plan, store, result, transfer_set) for result in results}


def _latency(
    plan: Plan, store: Store, result: StageResult, transfer_set: TransferSet
) -> Mapping[str, float]:
    kept = store.folder(result.stage.digest) / "latency.json"
    if kept.exists():
        measured: dict[str, float] = json.loads(kept.read_text())
        return measured
    network = finished_network(plan, store, result, transfer_set)
    with computing_on(THREADS):
        figures = latency_ms(network, transfer_set.shape).as_json()
    write_atomically(kept, json.dumps(figures).encode())
    return figures


def finished_network(
    plan: Plan, store: Store, result: StageResult, transfer_set: TransferSet
) -> Network:
    """The finished model of a stage, as it is deployed: uint8 pictures in, logits out."""
    model, weights, folder = _made_of(plan, store, result)
    kind, _, name = result.stage.name.partition(".")
    return load_network(
        model,
        weights,
        transfer_set=transfer_set,
        folder=folder,
        path=result.stage.name,
        classes=plan.recipe.teachers[name].classes if kind == "teachers" else None,
    )


def _made_of(plan: Plan, store: Store, result: StageResult) -> tuple[ModelConfig, Weights, Path]:
    stage = result.stage
    if stage.cohort:
        path = weights_file(store.folder(stage.digest))
        return stage.cohort[0].model, Weights(path=str(path)), plan.folder
    teacher = plan.recipe.teachers[stage.name.removeprefix("teachers.")]
    assert teacher.weights is not None
    return teacher.model, teacher.weights, plan.folder
