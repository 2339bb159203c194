"""Measures the latency of models on this machine, once for each architecture."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter

from orchestrator.execution.finished_network import finished_network
from orchestrator.home.store import Store
from orchestrator.planning.digest import digest_of
from orchestrator.planning.fingerprint import model_fingerprint
from orchestrator.report.collect_models import FinishedModel, Latency
from students.json_records import read_or_report, write_json
from students.models.network import Network
from students.models.profile import MeasuredLatency, measure_latency
from students.specs import StageOutput
from students.torch_state import use_threads
from students.transfer_sets.transfer_set import TransferSet

THREADS = 1
"""Latency is that of one core, which compares models on any machine."""

UNDISTURBED = 0.9
"""Less CPU time than this share of the time that passed: another process had the core."""

_MOST_TRIES = 3

Quiet = Callable[[], AbstractContextManager[None]]


def latencies(
    models: Iterable[FinishedModel], store: Store, transfer_set: TransferSet, quiet: Quiet
) -> Latency:
    """The latency of each model; that of an architecture which was measured here before is read.

    What was measured while others used the core is measured again, the next time as well, until
    it was undisturbed; the least disturbed figures stand. ``quiet`` holds up other work meanwhile;
    it is not entered where nothing is measured.
    """
    of_architectures: dict[str, Mapping[str, float]] = {}
    measured: dict[StageOutput, Mapping[str, float]] = {}
    for model in models:
        fingerprint = model_fingerprint(model.ref.model, model.stage.data)
        identity = _identity(fingerprint, model.ref.classes, transfer_set)
        if identity not in of_architectures:
            build = partial(finished_network, model.ref, model.stage, store, transfer_set)
            of_architectures[identity] = _latency(build, identity, store, transfer_set, quiet)
        measured[model.output] = of_architectures[identity]
    return measured


def latency_of(
    network: Network, fingerprint: Mapping[str, Any], store: Store, data: TransferSet, quiet: Quiet
) -> Mapping[str, float]:
    """The latency of an architecture, whatever its weights, for all classes in order."""
    return _latency(lambda: network, _identity(fingerprint, None, data), store, data, quiet)


def _latency(
    build: Callable[[], Network], identity: str, store: Store, data: TransferSet, quiet: Quiet
) -> Mapping[str, float]:
    """The stored latency, measured again while it is disturbed."""
    file = store.cache / "latency" / f"{identity}.json"
    parse = TypeAdapter(MeasuredLatency).validate_python
    best = read_or_report(file, parse, "the latency is measured again")
    for _ in range(_MOST_TRIES):
        if best is not None and best.cpu_share >= UNDISTURBED:
            break
        network = build()
        with quiet(), use_threads(THREADS):
            found = measure_latency(network, data.shape)
        if best is None or found.cpu_share > best.cpu_share:
            best = found
            write_json(file, asdict(best))
    assert best is not None
    return best.milliseconds


def _identity(
    fingerprint: Mapping[str, Any], classes: tuple[int, ...] | None, transfer_set: TransferSet
) -> str:
    """What the latency depends on: the network, the size of its inputs, the machine, torch."""
    return digest_of(
        {
            "model": fingerprint,
            "classes": [transfer_set.classes, classes],
            "shape": list(transfer_set.shape),
            "threads": THREADS,
            "machine": _machine(),
            "torch": torch.__version__,
        }
    )


def _machine() -> list[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next(line for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):  # Another system, or another architecture.
        processor = platform.processor()
    return [platform.machine(), processor, str(os.cpu_count())]
