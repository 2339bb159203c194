"""What is kept of a teacher beside its answers: how it was tuned, and how it passed the gate.

All of it can be had again by asking the teacher, so that none of it is worth ending a run for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import safetensors.torch
from safetensors import SafetensorError, safe_open

from students.durable_files import write_atomically
from teachers.inference.inference_config import InferenceConfig
from teachers.qualification.autotune_result import Tuning
from teachers.qualification.parity_verdict import Asked
from teachers.qualification.verdict import Verdict

TUNING, VERDICT, PROBE = "tuning.json", "verdict.json", "probe.safetensors"

Kept = TypeVar("Kept")


def read_tuning(folder: Path) -> Tuning | None:
    """How the teacher of the shelf in ``folder`` was tuned; None where that is not known."""
    return _read(folder / TUNING, Tuning.from_json)


def write_tuning(folder: Path, tuning: Tuning) -> None:
    """Keeps how a teacher was tuned."""
    _write(folder / TUNING, json.dumps(tuning.to_json(), indent=1).encode())


def read_verdict(folder: Path) -> Verdict | None:
    """The gate's verdict on the teacher of the shelf in ``folder``; None where there is none."""
    return _read(folder / VERDICT, Verdict.from_json)


def write_verdict(folder: Path, verdict: Verdict, asked: Asked) -> None:
    """Keeps a verdict, and the answers from which that at another temperature follows."""
    # Copies: safetensors refuses tensors that share memory.
    tensors = {"given": asked.given.clone(), "plain": asked.plain.clone()}
    told = {"manner": _spelt(verdict.inference), "deterministic": str(asked.deterministic)}
    _write(folder / PROBE, safetensors.torch.save(tensors, told))
    _write(folder / VERDICT, json.dumps(verdict.to_json(), indent=1).encode())


def read_asked(folder: Path, inference: InferenceConfig) -> Asked | None:
    """The answers by which a teacher run in ``manner`` was judged; None where there are none."""
    try:
        with safe_open(folder / PROBE, "pt") as file:
            told = file.metadata() or {}
            if told.get("manner") != _spelt(inference):
                return None
            given, plain = file.get_tensor("given"), file.get_tensor("plain")
        return Asked(given, plain, told.get("deterministic") == str(True))
    except (OSError, SafetensorError):
        return None


def _spelt(inference: InferenceConfig) -> str:
    return json.dumps(inference.to_json(), sort_keys=True)


def _read(file: Path, made: Callable[[Mapping[str, Any]], Kept]) -> Kept | None:
    try:
        return made(json.loads(file.read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(file: Path, content: bytes) -> None:
    # On a full disk the run goes on, and asks the teacher again another time.
    with suppress(OSError):
        write_atomically(file, content)
