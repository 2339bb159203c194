"""The outcome of a finished stage, by model: weights, logits on the validation part, learning
curve; logits on the test part, once they are asked for; extra outputs, each in a folder of its own,
so that one can be added to a finished stage while others read it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import TypeAdapter
from safetensors import SafetensorError

from students.durable_files import file_sha256, move_aside, sync, write_atomically
from students.json_records import json_bytes, read_json, reason_of, report_damage
from students.knowledge import AnswerCounts
from students.lazy_imports import Tensor  # whether there is an outcome is asked without torch
from students.specs import MODEL
from students.storage.attempts import commit_folder
from students.storage.step_log import Row

FILE = "outcome.json"
WEIGHTS = "model.safetensors"
ANSWERS = "answers.safetensors"
EVALUATIONS = "evaluations"
EXTRAS = "extras"
VALIDATION, TEST = "validation", "test"


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
    ``answers`` count, by teacher, where the answers of all its steps came from; those of steps that
    a killed attempt made after its last checkpoint are not in it."""

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


@dataclass(frozen=True)
class FinishedModel:
    """A model of a stage at its end. ``weights`` is the deployed model's state dict, empty for a
    model whose weights lie elsewhere; ``logits`` are float32 [n, C] on the validation part."""

    outcome: Outcome
    weights: Mapping[str, Tensor]
    logits: Tensor


def write_outcome(stage_folder: Path, attempt: int, models: Mapping[str, FinishedModel]) -> None:
    """Commits the outcome of a stage's ``models`` (by name), whole or not at all; the ``files`` of
    each are filled in here.

    Raises:
        StaleAttempt: a later attempt has begun.
        CheckpointError: it cannot be written, as on a full disk.
    """
    contents = {
        f"{name}/{file}": content
        for name, model in models.items()
        for file, content in _files(model).items()
    }
    with commit_folder(stage_folder, attempt, stage_folder / "outcome", contents):
        pass


def write_extra(stage_folder: Path, attempt: int, name: str, model: FinishedModel) -> None:
    """Commits an extra output of a stage under way: a ``model`` as it was during training.

    Raises:
        StaleAttempt: a later attempt has begun.
        CheckpointError: it cannot be written, as on a full disk.
    """
    folder = stage_folder / EXTRAS
    folder.mkdir(exist_ok=True)
    with commit_folder(stage_folder, attempt, folder / name, _files(model)):
        pass


def move_extra(source: Path, stage_folder: Path, name: str) -> None:
    """Moves an extra output from the stage folder ``source`` to another on the same disk, whole or
    not at all."""
    target = stage_folder / EXTRAS / name
    target.parent.mkdir(exist_ok=True)
    move_aside(target)  # What is there is damaged.
    (source / EXTRAS / name).replace(target)
    sync(target.parent)


def _files(model: FinishedModel) -> dict[str, bytes]:
    """The files that a model is stored in."""
    import safetensors.torch

    files = {ANSWERS: safetensors.torch.save(_contiguous({VALIDATION: model.logits}))}
    if model.weights:
        files[WEIGHTS] = safetensors.torch.save(_contiguous(model.weights))
    hashes = {file: hashlib.sha256(content).hexdigest() for file, content in files.items()}
    return files | {FILE: json_bytes(asdict(model.outcome) | {"files": hashes})}


def read_outcomes(stage_folder: Path) -> dict[str, Outcome]:
    """What is known of each model in ``stage_folder``, by name; of none where the stage is not
    finished, or something is damaged, which is reported."""
    folder = stage_folder / "outcome"
    if not folder.exists():
        return {}
    consequence = "the stage is run again from its last checkpoint"
    files = list(folder.rglob(FILE))
    if not files:
        report_damage(folder, f"it has no {FILE}", consequence)
    outcomes: dict[str, Outcome] = {}
    for file in files:
        outcome = _read_outcome(file, consequence)
        if outcome is None:
            return {}
        outcomes[MODEL if file.parent == folder else file.parent.name] = outcome
    return outcomes


def read_extra(stage_folder: Path, name: str) -> Outcome | None:
    """What is known of an extra output of a stage; none where it is not there, or is damaged, which
    is reported."""
    file = stage_folder / EXTRAS / name / FILE
    if not file.parent.exists():
        return None
    return _read_outcome(file, "the stage is trained again beside its outcome, which stays")


def _read_outcome(file: Path, consequence: str) -> Outcome | None:
    """What is known of the model that is stored beside ``file``; none where it is damaged, which is
    reported with its ``consequence``."""
    place = file
    try:
        outcome = _OUTCOME.validate_python(read_json(file))
        for name, sha256 in outcome.files.items():
            place = file.with_name(name)
            if file_sha256(place) != sha256:
                raise ValueError("it does not match its checksum")
    except (OSError, ValueError) as error:
        report_damage(place, reason_of(error), consequence)
        return None
    return outcome


def weights_file(stage_folder: Path, name: str = MODEL) -> Path:
    """The file with the deployed weights of a finished model."""
    return _folder(stage_folder, name) / WEIGHTS


def read_logits(stage_folder: Path, name: str, part: str) -> Tensor | None:
    """The finished model's logits float32 [n, C] on ``part``; none where it was not evaluated
    there, or where they are damaged."""
    import safetensors.torch

    folder = _folder(stage_folder, name)
    with suppress(OSError, SafetensorError):
        # A version before this one has evaluated both parts at the end of a stage.
        stored: dict[str, Tensor] = safetensors.torch.load_file(folder / ANSWERS)
        if part in stored:
            return stored[part]
    for file in (stage_folder / EVALUATIONS).glob(f"{name}-{part}-*.safetensors"):
        try:
            content = file.read_bytes()
            if not file.stem.endswith(_digest(content)):
                raise ValueError("it does not match the checksum in its name")
        except (OSError, ValueError) as error:
            report_damage(file, reason_of(error), "the model is evaluated again")
            continue
        logits: Tensor = safetensors.torch.load(content)[part]
        return logits
    return None


def write_logits(stage_folder: Path, name: str, part: str, logits: Tensor) -> None:
    """Stores a finished model's logits float32 [n, C] on ``part`` beside its outcome, in a file
    whose name ends in the digest of its content."""
    import safetensors.torch

    content = safetensors.torch.save(_contiguous({part: logits}))
    folder = stage_folder / EVALUATIONS
    folder.mkdir(exist_ok=True)
    write_atomically(folder / f"{name}-{part}-{_digest(content)}.safetensors", content)


def _folder(stage_folder: Path, name: str) -> Path:
    """Where a model or an extra output lies; a version before this one had one model to a stage."""
    for folder in (stage_folder / "outcome" / name, stage_folder / EXTRAS / name):
        if folder.is_dir():
            return folder
    return stage_folder / "outcome" / ("" if name == MODEL else name)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


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


def _contiguous(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    # Copies: safetensors refuses tensors that share memory, as tied weights do.
    return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
