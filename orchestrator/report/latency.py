"""Measures the latency of finished models, one after the other; stores the figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from orchestrator.execution.executor import StageResult
from orchestrator.execution.finished_network import finished_network
from orchestrator.home.store import Store
from orchestrator.planning.plan import Plan
from students.durable_files import write_atomically
from students.models.profile import latency_ms
from students.torch_state import use_threads
from students.transfer_sets.transfer_set import TransferSet

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
    file = store.folder(result.stage.digest) / "latency.json"
    if file.exists():
        stored: dict[str, float] = json.loads(file.read_text())
        return stored
    network = finished_network(plan, store, result.stage, transfer_set)
    with use_threads(THREADS):
        measured = latency_ms(network, transfer_set.shape).as_json()
    write_atomically(file, json.dumps(measured).encode())
    return measured
