"""The outcome of a finished stage: weights, logits on the held-out parts, learning curve."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from students.durable_files import file_sha256
from students.knowledge import AnswerCounts
from students.lazy_imports import Tensor  # whether there is an outcome is asked without torch
from students.storage.attempts import commit_folder
from students.storage.step_log import Row

FILE = "outcome.json"
WEIGHTS = "model.safetensors"
ANSWERS = "answers.safetensors"


@dataclass(frozen=True)
class CurvePoint:
    """One epoch: mean training loss, and the validation part's figures where there is one."""

    epoch: int
    step: int
    loss: float | None
    accuracy: float | None
    nll: float | None


@dataclass(frozen=True)
class Outcome:
    """What is known of a finished model. ``macs`` and ``bytes`` are those of one sample's
    forward pass and of the deployed weights; ``segments`` name the committed step log;
    ``answers`` count, by teacher, where the answers of the last attempt came from."""

    weights_sha256: str
    parameters: int
    macs: int
    bytes: int
    steps: int = 0
    skipped: int = 0
    seconds: float = 0.0
    curve: tuple[CurvePoint, ...] = ()
    segments: tuple[tuple[int, int], ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[str, AnswerCounts] = field(default_factory=dict)


_OUTCOME = TypeAdapter(Outcome)


def write_outcome(
    stage_folder: Path,
    attempt: int,
    outcome: Outcome,
    *,
    weights: Mapping[str, Tensor],
    answers: Mapping[str, Tensor],
) -> None:
    """Commits a stage's outcome, whole or not at all; its ``files`` are filled in here.

    ``weights`` is the deployed model's state dict, empty for a model whose weights lie elsewhere;
    ``answers`` are logits float32 [n, C] by part (``validation``, ``test``).

    Raises:
        StaleAttempt: a later attempt has begun.
        CheckpointError: it cannot be written, as on a full disk.
    """
    import safetensors.torch

    contents = {ANSWERS: safetensors.torch.save(_contiguous(answers))}
    if weights:
        contents[WEIGHTS] = safetensors.torch.save(_contiguous(weights))
    files = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    contents[FILE] = json.dumps(asdict(outcome) | {"files": files}, indent=1).encode()
    with commit_folder(stage_folder, attempt, stage_folder / "outcome", contents):
        pass


def read_outcome(stage_folder: Path) -> Outcome | None:
    """The outcome in ``stage_folder``; none where there is none, or a damaged one."""
    folder = stage_folder / "outcome"
    try:
        outcome = _OUTCOME.validate_json((folder / FILE).read_bytes())
        whole = all(file_sha256(folder / name) == sha for name, sha in outcome.files.items())
    except (OSError, ValueError):
        return None
    return outcome if whole else None


def learning_curve(rows: Iterable[Row], steps_per_epoch: int) -> tuple[CurvePoint, ...]:
    """One point per epoch of a step log: the mean loss of its steps, and its validation if any."""
    losses: dict[int, list[float]] = defaultdict(list)
    validation: dict[int, Mapping[str, float]] = {}
    for row in rows:
        if row.kind == "epoch":
            validation[row.epoch] = row.values
        elif "loss" in row.values:
            losses[row.step // steps_per_epoch].append(row.values["loss"])
    return tuple(
        CurvePoint(
            epoch=epoch,
            step=(epoch + 1) * steps_per_epoch,
            loss=sum(losses[epoch]) / len(losses[epoch]) if epoch in losses else None,
            accuracy=validation.get(epoch, {}).get("accuracy"),
            nll=validation.get(epoch, {}).get("nll"),
        )
        for epoch in sorted({*losses, *validation})
    )


def weights_file(stage_folder: Path) -> Path:
    """The file with the deployed weights of a finished stage."""
    return stage_folder / "outcome" / WEIGHTS


def read_answers(stage_folder: Path) -> dict[str, Tensor]:
    """The finished model's logits float32 [n, C] by part."""
    import safetensors.torch

    answers: dict[str, Tensor] = safetensors.torch.load_file(stage_folder / "outcome" / ANSWERS)
    return answers


def _contiguous(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    # Copies: safetensors refuses tensors that share memory, as tied weights do.
    return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
