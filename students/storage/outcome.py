"""The outcome of a finished stage: weights, logits on the held-out parts, learning curve."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from students.storage.attempts import commit_folder

if TYPE_CHECKING:  # Torch takes seconds to import; whether there is an outcome is asked before.
    from torch import Tensor

    from students.knowledge import AnswerCounts

FILE = "outcome.json"
WEIGHTS = "model.safetensors"
ANSWERS = "answers.safetensors"
_DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError)


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


def write_outcome(
    stage_folder: Path,
    attempt: int,
    outcome: Outcome,
    *,
    weights: Mapping[str, Tensor],
    answers: Mapping[str, Tensor],
) -> None:
    """Commits a stage's outcome, whole or not at all.

    Args:
        stage_folder: the stage's folder.
        attempt: the attempt whose outcome this is.
        outcome: the figures; ``files`` is filled in here.
        weights: the deployed model's state dict (none for a model whose weights lie elsewhere).
        answers: logits float32 [n, C] by part (``validation``, ``test``).

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
    partial, final = stage_folder / f".outcome-{attempt}", stage_folder / "outcome"
    with commit_folder(stage_folder, attempt, final, contents, temporary=partial):
        pass


def read_outcome(stage_folder: Path) -> Outcome | None:
    """The outcome in ``stage_folder``; none where there is none, or a damaged one."""
    from students.knowledge import AnswerCounts

    try:
        fields = _checked_fields(stage_folder)
        fields["curve"] = tuple(CurvePoint(**point) for point in fields["curve"])
        fields["segments"] = tuple(map(tuple, fields["segments"]))
        answers = fields.get("answers", {})
        fields["answers"] = {name: AnswerCounts(**each) for name, each in answers.items()}
        return Outcome(**fields)
    except _DAMAGE:
        return None


def has_outcome(stage_folder: Path) -> bool:
    """Whether ``stage_folder`` has an outcome whose files are whole."""
    try:
        _checked_fields(stage_folder)
    except _DAMAGE:
        return False
    return True


def _checked_fields(stage_folder: Path) -> dict[str, Any]:
    folder = stage_folder / "outcome"
    fields: dict[str, Any] = json.loads((folder / FILE).read_text())
    if any(_sha256(folder / name) != sha for name, sha in fields["files"].items()):
        raise ValueError("a file of the outcome is damaged")
    return fields


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


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
