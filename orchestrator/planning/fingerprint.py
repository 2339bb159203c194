"""The fingerprint of a stage: all that its result depends on, and nothing else, as plain data.

In it: models, preprocessing, initial weights, objective, training with precision, micro-batch,
threads and the interval of checkpoints (buffers are averaged there), seeds, the samples and their
views, the teachers' own digests, sources of custom code. Not in it, because they only place or
store: engine, ZeRO stage, ranks, replicas, resources, tracking, cluster, timeouts, how many
checkpoints are kept, names of recipes, the bank's budget.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from students.custom_code import source_digest
from students.models.config import Model, Weights
from students.objectives.term import SofteningTerm, Term
from students.specs import StudentSpec
from students.transfer_sets.config import TransferSetConfig
from students.transfer_sets.identity import hashes_of
from teachers.config import EnsembleConfig, TeacherConfig

STAGE_FORMAT = 2
"""Raised by hand when the same fields come to mean another result."""

Plain = dict[str, Any]


@dataclass(frozen=True)
class FingerprintContext:
    """The data, and where files are found while a fingerprint is made.

    ``identity`` is the transfer set's, ``folder`` the recipe's; ``cache`` remembers the hashes of
    files.
    """

    transfer_set: TransferSetConfig
    identity: str
    folder: Path
    cache: Path


def training_stage(
    spec: StudentSpec,
    teachers: Sequence[Plain],
    ensemble: EnsembleConfig,
    context: FingerprintContext,
    *,
    ensemble_seed: int = 0,
) -> Plain:
    """A stage that trains one student; ``teachers`` are their fingerprints, in order.

    ``ensemble_seed`` is included if the weighting or the noise draws random numbers.
    """
    by_label = bool(teachers) and ensemble.weighting.needs_labels
    fields: Plain = {
        "format": STAGE_FORMAT,
        "kind": "teach",
        "model": _model(spec.model, context),
        "weights": None if spec.weights is None else _weights(spec.weights, context),
        "objective": {name: _term(term, spec) for name, term in spec.objective.items()},
        "train": _training(spec),
        "seed": spec.seed,
        "samples": _samples(spec, context, by_label=by_label),
        "teachers": list(teachers),
    }
    if teachers:
        names = [teacher["name"] for teacher in teachers]
        fields["ensemble"] = _ensemble(ensemble, names, ensemble_seed)
    return fields


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


def evaluation_stage(config: TeacherConfig, context: FingerprintContext) -> Plain:
    """A stage that evaluates a teacher whose weights were trained elsewhere."""
    assert config.weights is not None
    return {
        "format": STAGE_FORMAT,
        "kind": "examine",
        "model": _model(config.model, context),
        "weights": _weights(config.weights, context),
        "threads": config.threads,
        "parts": _data(context),
    } | outputs(config.classes, context.transfer_set)


def teacher(name: str, config: TeacherConfig, stage: str) -> Plain:
    """A teacher, in the fingerprint of a stage it teaches; ``stage`` is its own stage's digest."""
    settings = config.model_dump(mode="json", include={"precision", "threads"})
    return {"name": name, "stage": stage, **settings}


def _model(config: Model, context: FingerprintContext) -> Plain:
    """A network; two spellings of the same one are equal."""
    fields: Plain = config.identity
    if config.custom_source is not None:
        fields["source"] = _custom(config.custom_source, context.folder)
    return fields


def _weights(config: Weights, context: FingerprintContext) -> Plain:
    """Weights by the content of their file, wherever it is."""
    path = (context.folder / Path(config.path).expanduser()).resolve()
    sha256 = hashes_of(path.parent, [path.name], cache=context.cache)[path.name]
    return {"sha256": sha256, "key": config.key, "strip_prefix": config.strip_prefix}


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
    fields["micro_batch_size"] = train.micro
    fields["checkpoint"] = train.checkpoint.every
    if spec.engine.deepspeed:
        # The user's own settings may change bits (a communication type, say).
        fields["deepspeed"] = spec.engine.deepspeed
    return fields


def _samples(spec: StudentSpec, context: FingerprintContext, *, by_label: bool) -> Plain:
    """Which samples it learns from, and under which views; ``by_label`` says whether its teachers
    are weighted by the labels that it is given."""
    given, transfer_set = spec.samples, context.transfer_set
    fields = _data(context)
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


def _data(context: FingerprintContext) -> Plain:
    """The images themselves, and how they are split."""
    transfer_set = context.transfer_set
    fields: Plain = {
        "identity": context.identity,
        "seed": transfer_set.seed,
        "validation": transfer_set.validation,
    } | transfer_set.decoding
    if transfer_set.custom_source is not None:
        fields["source"] = _custom(transfer_set.custom_source, context.folder)
    return fields


def _custom(source: str, folder: Path) -> Mapping[str, str]:
    return {"function": source.rpartition(":")[2], "sha256": source_digest(source, folder)}
