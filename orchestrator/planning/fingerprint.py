"""What a stage was asked for, as plain data: all that its result depends on, nothing else.

*What* is in: models, preprocessing, initial weights, objective, training with precision,
micro-batch, threads and the checkpoints' cadence (buffers are averaged there), seeds, the
samples and their views, the teachers' own digests, sources of custom code. *Where* is out:
engine, ZeRO stage, ranks, replicas, resources, tracking, cluster, timeouts, how many
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
from students.transfer_sets.config import (
    CustomTransferSet,
    ImageFolder,
    NoAugment,
    TransferSetConfig,
)
from students.transfer_sets.content_hashes import hashes_of
from teachers.config import EnsembleConfig, Fixed, RandomChoice, TeacherConfig, Uniform
from teachers.weighting.given import given_weights

STAGE_FORMAT = 2
"""Raised by hand when the same words come to mean another result."""

Plain = dict[str, Any]


@dataclass(frozen=True)
class FingerprintContext:
    """Where files are looked for while a request is spelled out.

    ``folder`` is the recipe's, ``cache`` remembers the hashes of files, ``identity`` is the
    transfer set's.
    """

    folder: Path
    cache: Path
    identity: str


def teaching(
    spec: StudentSpec,
    transfer_set: TransferSetConfig,
    teachers: Sequence[Plain],
    ensemble: EnsembleConfig,
    context: FingerprintContext,
    *,
    ensemble_seed: int = 0,
) -> Plain:
    """A stage that teaches one student; ``teachers`` are their fingerprints, in order.

    ``ensemble_seed`` counts where something is drawn of what the student hears of them.
    """
    by_label = bool(teachers) and ensemble.weighting.labelled
    asked: Plain = {
        "format": STAGE_FORMAT,
        "kind": "teach",
        "model": model(spec.model, context),
        "weights": None if spec.weights is None else weights(spec.weights, context),
        "objective": objective(spec),
        "train": training(spec),
        "seed": spec.seed,
        "samples": samples(spec, transfer_set, context, by_label=by_label),
        "teachers": list(teachers),
    }
    if teachers:
        names = [teacher["name"] for teacher in teachers]
        asked["ensemble"] = agreeing(ensemble, names, ensemble_seed)
    return asked


def agreeing(ensemble: EnsembleConfig, names: Sequence[str], seed: int) -> Plain:
    """How teachers ``names`` agree, two ways of writing the same being one; ``seed`` where
    something is drawn."""
    weighting, noise = ensemble.weighting, ensemble.effective_noise
    asked: Plain = {"mean": ensemble.mean, "top_k": ensemble.top_k}
    if isinstance(weighting, (Uniform, Fixed, RandomChoice)):
        asked["weights"] = given_weights(weighting, names)
    if not isinstance(weighting, (Uniform, Fixed)):
        asked["weighting"] = weighting.model_dump(mode="json", exclude={"weights"})
    if noise is not None:
        asked["noise"] = noise.model_dump(mode="json")
    return asked | ({"seed": seed} if ensemble.drawn else {})


def examining(
    config: TeacherConfig, transfer_set: TransferSetConfig, context: FingerprintContext
) -> Plain:
    """A stage that examines a teacher whose weights were trained elsewhere."""
    assert config.weights is not None
    return {
        "format": STAGE_FORMAT,
        "kind": "examine",
        "model": model(config.model, context),
        "weights": weights(config.weights, context),
        "threads": config.threads,
        "parts": data(transfer_set, context),
    } | outputs(config.classes, transfer_set)


def fingerprint(name: str, config: TeacherConfig, stage: str) -> Plain:
    """A teacher as the stages that it teaches see it; ``stage`` is its own stage's digest."""
    return {
        "name": name,
        "stage": stage,
        "precision": config.precision,
        "threads": config.threads,
    }


def model(config: Model, context: FingerprintContext) -> Plain:
    """A network; two ways of writing the same one are one."""
    asked: Plain = config.identity
    if config.custom_source is not None:
        asked["source"] = _custom(config.custom_source, context.folder)
    return asked


def weights(config: Weights, context: FingerprintContext) -> Plain:
    """Weights by the content of their file, wherever it lies."""
    path = (context.folder / Path(config.path).expanduser()).resolve()
    sha256 = hashes_of(path.parent, [path.name], cache=context.cache)[path.name]
    return {"sha256": sha256, "key": config.key, "strip_prefix": config.strip_prefix}


def objective(spec: StudentSpec) -> Plain:
    """The terms, each with all that it is computed with."""
    return {name: _term(term, spec) for name, term in spec.objective.items()}


def _term(term: Term, spec: StudentSpec) -> Plain:
    asked: Plain = term.model_dump(mode="json")
    if isinstance(term, SofteningTerm):
        asked["temperature"] = term.temperature or spec.temperature
    return asked


def training(spec: StudentSpec) -> Plain:
    """How it is trained, without what only places it or keeps it."""
    train = spec.train
    asked: Plain = train.model_dump(
        mode="json",
        include={
            "epochs", "batch_size", "threads", "precision", "optimizer", "lr_schedule",
            "gradient_clipping", "max_norm",
        },
    )  # fmt: skip
    asked["micro_batch_size"] = train.micro
    asked["checkpoint"] = train.checkpoint.every
    if spec.engine.deepspeed:
        # The user's own settings may change bits (a communication type, say).
        asked["deepspeed"] = spec.engine.deepspeed
    return asked


def samples(
    spec: StudentSpec,
    transfer_set: TransferSetConfig,
    context: FingerprintContext,
    *,
    by_label: bool,
) -> Plain:
    """Which samples it learns from, and under which views; ``by_label`` says whether its teachers
    are weighed by the labels that it is given."""
    given = spec.samples
    asked = data(transfer_set, context)
    asked["augment"] = given.augment.model_dump(mode="json")
    asked["views"] = None if isinstance(given.augment, NoAugment) else transfer_set.views
    if given.audience == "teacher":
        own = outputs(given.classes, transfer_set)
        return asked | {"fraction": given.fraction, "labelled": 1.0, "omit": []} | own
    labels_count = by_label or any(term.needs_labels for term in spec.objective.values())
    return asked | {
        "fraction": transfer_set.fraction,
        "labelled": transfer_set.labelled if labels_count else None,
        "omit": sorted(transfer_set.omit),
    }


def outputs(classes: tuple[int, ...] | None, transfer_set: TransferSetConfig) -> Plain:
    """What a teacher's outputs stand for; nothing where that is all classes in order, however it
    is written."""
    total = transfer_set.class_count
    if classes is None or (total is not None and classes == tuple(range(total))):
        return {}
    return {"outputs": list(classes)}


def data(transfer_set: TransferSetConfig, context: FingerprintContext) -> Plain:
    """The pictures themselves, and how they are parted."""
    asked: Plain = {
        "identity": context.identity,
        "seed": transfer_set.seed,
        "validation": transfer_set.validation,
    }
    if isinstance(transfer_set, ImageFolder):
        asked |= {"size": transfer_set.size, "channels": transfer_set.channels}
    if isinstance(transfer_set, CustomTransferSet):
        asked["source"] = _custom(transfer_set.source, context.folder)
    return asked


def _custom(source: str, folder: Path) -> Mapping[str, str]:
    return {"function": source.rpartition(":")[2], "sha256": source_digest(source, folder)}
