"""The fingerprint of a stage: all that its result depends on, and nothing else, as plain data.

In it: models, preprocessing, initial weights, objective, training with precision, micro-batch,
threads and the interval of checkpoints (buffers are averaged there), seeds, the samples and their
views, the teachers' own digests, sources of custom code. Not in it, because they only place or
store: engine, ZeRO stage, ranks, replicas, resources, tracking, cluster, timeouts, how many
checkpoints are kept, names of recipes, the bank's budget.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from students.custom_code import source_digest
from students.models.config import Model, Weights
from students.objectives.term import SofteningTerm, Term
from students.specs import MODEL, StageOutput, StudentSpec
from students.transfer_sets.config import TransferSetConfig
from students.transfer_sets.identity import hash_of
from teachers.config import EnsembleConfig

if TYPE_CHECKING:
    from orchestrator.planning.stage import Stage, TeacherRef
    from students.transfer_sets.planned_data import PlannedData

STAGE_FORMAT = 2
"""Raised by hand when the same fields come to mean another result."""

NOISE_FORMAT = 3
"""That of students whose teachers have noise and are weighted by their answers: since it, weights
follow from the answers without noise. All other stages mean what they did."""

Plain = dict[str, Any]


def fingerprint_of(stage: Stage) -> Plain:
    """All that the result of ``stage`` depends on.

    Raises:
        OSError: a file of weights or of code is missing.
    """
    if stage.evaluates is not None:
        return _evaluation(stage.evaluates, stage.data)
    [spec] = stage.cohort
    by_label = bool(stage.teachers) and stage.ensemble.weighting.needs_labels
    fields: Plain = {
        "format": NOISE_FORMAT if _weighs_noisy_answers(stage) else STAGE_FORMAT,
        "kind": "teach",
        "model": model_fingerprint(spec.model, stage.data),
        "weights": None if spec.weights is None else _weights(spec.weights, stage.data),
        "objective": {name: _term(term, spec) for name, term in spec.objective.items()},
        "train": _training(spec),
        "seed": spec.seed,
        "samples": _samples(spec, stage.data, by_label=by_label),
        "teachers": [_teacher(ref) for ref in stage.teachers],
    }
    if spec.frozen:
        fields["frozen"] = sorted(spec.frozen)
    if stage.teachers:
        names = [ref.name for ref in stage.teachers]
        fields["ensemble"] = _ensemble(stage.ensemble, names, stage.ensemble_seed)
    return fields


def _weighs_noisy_answers(stage: Stage) -> bool:
    ensemble = stage.ensemble
    noisy = bool(stage.teachers) and ensemble.effective_noise is not None
    return noisy and ensemble.weighting.reads_answers


def _ensemble(ensemble: EnsembleConfig, names: Sequence[str], seed: int) -> Plain:
    """How the answers of teachers ``names`` are combined; two spellings of the same are equal."""
    weighting, noise = ensemble.weighting, ensemble.effective_noise
    fields: Plain = {"mean": ensemble.mean, "top_k": ensemble.top_k}
    given = weighting.given_weights(names)
    if given is not None:
        fields["weights"] = given
    if not weighting.is_constant:
        fields["weighting"] = weighting.model_dump(mode="json", exclude={"weights"})
    if noise is not None:
        fields["noise"] = noise.model_dump(mode="json")
    return fields | ({"seed": seed} if ensemble.is_random else {})


def _evaluation(ref: TeacherRef, data: PlannedData) -> Plain:
    """A stage that evaluates a teacher whose weights were trained elsewhere."""
    return {
        "format": STAGE_FORMAT,
        "kind": "examine",
        "model": model_fingerprint(ref.model, data),
        "weights": _weights(ref.weights, data),
        "threads": ref.threads,
        "parts": _data(data),
    } | outputs(ref.classes, data.transfer_set)


def _teacher(ref: TeacherRef) -> Plain:
    """A teacher, in the fingerprint of a stage that it teaches."""
    fields: Plain = {"name": ref.name, "stage": ref.stage}
    if ref.output.name != MODEL:
        fields["output"] = ref.output.name
    return fields | {"precision": ref.precision, "threads": ref.threads}


def model_fingerprint(config: Model, data: PlannedData) -> Plain:
    """A network; two spellings of the same one are equal."""
    fields: Plain = config.identity
    if config.custom_source is not None:
        fields["source"] = _custom(config.custom_source, data.folder)
    return fields


def _weights(config: Weights | StageOutput, data: PlannedData) -> Plain:
    """Weights by the stage that makes them, or by the content of their file, wherever it is."""
    if isinstance(config, StageOutput):
        return {"stage": config.stage, "output": config.name}
    sha256 = hash_of(config.file(data.folder).resolve(), data.cache)
    fields: Plain = {"sha256": sha256, "key": config.key, "strip_prefix": config.strip_prefix}
    # Left out where they are not used, so that the digests of other recipes stay as they were.
    if config.leave_out:
        fields["leave_out"] = sorted(config.leave_out)
    if config.select_outputs is not None:
        fields["select_outputs"] = config.select_outputs
    return fields


def _term(term: Term, spec: StudentSpec) -> Plain:
    fields: Plain = term.model_dump(mode="json")
    if isinstance(term, SofteningTerm):
        fields["temperature"] = term.temperature or spec.temperature
    return fields


def _training(spec: StudentSpec) -> Plain:
    """How it is trained, without what only places or stores it."""
    train = spec.train
    fields: Plain = train.model_dump(
        mode="json",
        include={
            "epochs", "batch_size", "threads", "precision", "optimizer", "lr_schedule",
            "gradient_clipping", "max_norm",
        },
    )  # fmt: skip
    if train.last_epoch != train.epochs:
        fields["stop_epoch"] = train.last_epoch
    fields["micro_batch_size"] = train.micro
    fields["checkpoint"] = train.checkpoint.every
    if spec.engine.deepspeed:
        # The user's own settings may change bits (a communication type, say).
        fields["deepspeed"] = spec.engine.deepspeed
    return fields


def _samples(spec: StudentSpec, data: PlannedData, *, by_label: bool) -> Plain:
    """Which samples it learns from, and under which views; ``by_label`` says whether its teachers
    are weighted by the labels that it is given."""
    given, transfer_set = spec.samples, data.transfer_set
    fields = _data(data)
    fields["augment"] = given.augment.model_dump(mode="json")
    fields["views"] = transfer_set.views if given.augment.changes else None
    if given.audience == "teacher":
        own = outputs(given.classes, transfer_set)
        return fields | {"fraction": given.fraction, "labelled": 1.0, "omit": []} | own
    labels_count = by_label or any(term.needs_labels for term in spec.objective.values())
    return fields | {
        "fraction": transfer_set.fraction,
        "labelled": transfer_set.labelled if labels_count else None,
        "omit": sorted(transfer_set.omit),
    }


def outputs(classes: tuple[int, ...] | None, transfer_set: TransferSetConfig) -> Plain:
    """Which classes a teacher's outputs stand for; empty if these are all classes in order."""
    total = transfer_set.class_count
    if classes is None or (total is not None and classes == tuple(range(total))):
        return {}
    return {"outputs": list(classes)}


def _data(data: PlannedData) -> Plain:
    """The images themselves, and how they are split."""
    transfer_set = data.transfer_set
    fields: Plain = {
        "identity": data.identity,
        "seed": transfer_set.seed,
        "validation": transfer_set.validation,
    } | transfer_set.decoding
    if transfer_set.custom_source is not None:
        fields["source"] = _custom(transfer_set.custom_source, data.folder)
    return fields


def _custom(source: str, folder: Path) -> Mapping[str, str]:
    return {"function": source.rpartition(":")[2], "sha256": source_digest(source, folder)}
