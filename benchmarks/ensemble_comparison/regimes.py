"""The samples, teachers, student and budget under which methods are compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

Plain = dict[str, Any]

DECAYS = (0.0, 5.0e-3)
UNTAUGHT_DECAYS = (0.0, 2.0e-3, 5.0e-3, 1.0e-2, 2.0e-2, 4.0e-2)
"""Weight decays that are tried: for each of three choices, and instead of any other choice."""

NEVER = 1_000_000
"""Steps between checkpoints: none before the end, for a student takes seconds."""


@dataclass(frozen=True)
class Regime:
    """One setting of the comparison.

    ``recipe`` lacks only the objective. ``rates`` and ``decays`` are the learning rates and weight
    decays that are tried for every method; ``untaught_decays`` are those of the untaught student,
    which has nothing else to tune. Each setting has ``tuning_seeds`` students. ``layer`` is the
    student's and ``layers`` are the teachers', by name, for terms on layers; ``groups`` are those
    of ``multi_group_hint``. ``timing_epochs`` are those of a student that is trained for its step
    time only. ``left_out`` are methods that are not run, each with the reason.
    """

    name: str
    description: str
    recipe: Plain
    rates: tuple[float, ...]
    decays: tuple[float, ...]
    untaught_decays: tuple[float, ...]
    layer: str
    layers: Mapping[str, str]
    groups: tuple[Mapping[str, str], ...]
    tuning_seeds: int = 1
    timing_epochs: int = 3
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def teachers(self) -> tuple[str, ...]:
        """The teachers' names, in the recipe's order."""
        return tuple(self.recipe["teachers"])


def regimes(root: Path) -> dict[str, Regime]:
    """All of them by name; ``root`` holds ``MNIST``, ``cifar-10-batches-py`` and ``weights``."""
    every = (_digits(), *_mnist(root), *_cifar(root))
    return {regime.name: regime for regime in every}


def _recipe(name: str, transfer_set: Plain, teachers: Plain, student: Plain) -> Plain:
    """A recipe in this process: every role on one thread, so that two runs share two cores."""
    student["train"] |= {"threads": 1, "checkpoint": {"every": NEVER}}
    for teacher in teachers.values():
        teacher |= {"threads": 1, "precision": "fp32"}
        if "train" in teacher:
            teacher["train"] |= {"threads": 1}
            teacher["engine"] = {"kind": "torch"}
    return {
        "name": name,
        "transfer_set": transfer_set,
        "teachers": teachers,
        "ensemble": {"temperature": 4.0},
        "student": {**student, "engine": {"kind": "torch"}},
        "controls": [],
        "cluster": {"mode": "in_process"},
    }


def _sgd(lr: float, weight_decay: float = 5.0e-4) -> Plain:
    return {"kind": "sgd", "lr": lr, "weight_decay": weight_decay}


def _digits() -> Regime:
    def train(lr: float) -> Plain:
        return {"epochs": 15, "optimizer": _sgd(lr)}

    teachers: Plain = {
        "wide": {
            "model": {"kind": "mlp", "hidden": [256, 256], "dropout": 0.2},
            "train": train(0.1),
        },
        "plain": {
            "model": {"kind": "plain_cnn", "channels": [16, 16, 32, 32]},
            "train": train(0.05),
        },
        "deep": {"model": {"kind": "resnet_cifar", "depth": 8}, "train": train(0.1)},
    }
    return Regime(
        name="digits",
        description="8x8 digits, 10 % (109 samples); teachers trained on all 1,077",
        recipe=_recipe(
            "digits",
            {"kind": "digits", "validation": 270, "fraction": 0.1},
            teachers,
            {"model": {"kind": "mlp", "hidden": [16]}, "train": {"epochs": 60}},
        ),
        rates=(0.2, 0.4),
        decays=DECAYS,
        untaught_decays=UNTAUGHT_DECAYS,
        layer="hidden.0",
        layers={"wide": "hidden.1", "plain": "stage2", "deep": "layer3"},
        groups=tuple(
            {"teacher": "wide", "hint": hint, "guided": "hidden.0"}
            for hint in ("hidden.0", "hidden.1")
        ),
        tuning_seeds=2,
        timing_epochs=30,
    )


def _mnist(root: Path) -> Iterator[Regime]:
    small, large = {"fraction": 0.03}, {"fraction": 0.2, "labelled": 0.15}
    yield _of_mnist(
        root,
        "mnist-all",
        "MNIST, 3 % (1,621 samples); teachers trained on all 54,000",
        small,
        {"wide": 6, "plain": 3, "narrow": 6},
    )
    yield _of_mnist(
        root,
        "mnist-same",
        "MNIST, 3 % (1,621 samples); teachers trained on the same 1,621",
        small,
        {"wide": 40, "plain": 40, "narrow": 40},
        fraction=0.03,
    )
    yield _of_mnist(
        root,
        "mnist-pictures",
        "MNIST, labels for 3 % and images for 20 % (10,801 samples, 1,621 of them with labels); "
        "teachers trained on all 54,000",
        large,
        {"wide": 6, "plain": 3, "narrow": 6},
        epochs=12,
        rates=(0.1,),
    )


def _of_mnist(
    root: Path,
    name: str,
    description: str,
    given: Plain,
    lengths: Mapping[str, int],
    *,
    fraction: float = 1.0,
    epochs: int = 40,
    rates: tuple[float, ...] = (0.1, 0.2),
) -> Regime:
    models: Plain = {
        "wide": {"kind": "mlp", "hidden": [400, 400], "dropout": 0.2},
        "plain": {"kind": "plain_cnn", "channels": [16, 16, 32, 32]},
        "narrow": {"kind": "mlp", "hidden": [64, 64]},
    }
    teachers: Plain = {
        teacher: {
            "model": model,
            "train": {
                "epochs": lengths[teacher],
                "fraction": fraction,
                "optimizer": _sgd(0.05),
            },
        }
        for teacher, model in models.items()
    }
    return Regime(
        name=name,
        description=description,
        recipe=_recipe(
            name,
            {"kind": "mnist", "root": str(root), "validation": 6000, **given},
            teachers,
            {"model": {"kind": "mlp", "hidden": [32]}, "train": {"epochs": epochs}},
        ),
        rates=rates,
        decays=DECAYS,
        untaught_decays=UNTAUGHT_DECAYS,
        layer="hidden.0",
        layers={"wide": "hidden.1", "plain": "stage2", "narrow": "hidden.1"},
        groups=tuple(
            {"teacher": teacher, "hint": "hidden.1", "guided": "hidden.0"}
            for teacher in ("wide", "narrow")
        ),
    )


PUBLISHED = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
FILES = {"resnet56": "resnet56-4bfd9763.th", "resnet44": "resnet44-014dd654.th",
         "resnet32": "resnet32-d509ac18.th"}  # fmt: skip
TOO_LONG = "left out: a student takes too long here for all methods to be tuned"
NOT_ON_CIFAR = (
    "label_smoothing", "virtual_teacher", "probability_l2", "conditional", "decoupled",
    "correlation", "standardize", "triplet_order", "relations", "multi_group_hint",
)  # fmt: skip
NOTHING: Mapping[str, str] = MappingProxyType({})
OF_ALL_CLASSES = "the published teachers cover all classes"


def _cifar(root: Path) -> Iterator[Regime]:
    published: Plain = {
        name: {
            "model": {
                "kind": "resnet_cifar",
                "depth": int(name[-2:]),
                "preprocessing": dict(PUBLISHED),
            },
            "weights": str(root / "weights" / file),
        }
        for name, file in FILES.items()
    }
    yield _of_cifar(
        root,
        "cifar-all",
        "published ResNets, which have seen all 50,000",
        published,
        {"specialists": OF_ALL_CLASSES},
    )
    models: Plain = {
        "plain": {"kind": "plain_cnn", "channels": [16, 16, 32, 32]},
        "residual": {"kind": "resnet_cifar", "depth": 8},
        "broad": {"kind": "plain_cnn", "channels": [24, 24, 48, 48, 96, 96]},
    }
    trained: Plain = {
        name: {
            "model": model,
            "train": {"epochs": 20, "fraction": 0.1, "optimizer": _sgd(0.05)},
        }
        for name, model in models.items()
    }
    yield _of_cifar(root, "cifar-same", "teachers trained on the same 4,500", trained)


def _of_cifar(
    root: Path, name: str, by: str, teachers: Plain, left_out: Mapping[str, str] = NOTHING
) -> Regime:
    layer = {"resnet_cifar": "layer3", "plain_cnn": "stage2"}
    return Regime(
        name=name,
        description=f"CIFAR-10, 10 % (4,500 samples); {by}",
        recipe=_recipe(
            name,
            {"kind": "cifar10", "root": str(root), "validation": 5000, "fraction": 0.1,
             "augment": "crop_flip", "views": 4},
            teachers,
            {"model": {"kind": "plain_cnn", "channels": [8, 8, 16, 16]},
             "train": {"epochs": 12, "batch_size": 64}},
        ),
        rates=(0.1,),
        decays=(5.0e-4,),
        untaught_decays=(5.0e-4, 2.0e-3, 5.0e-3),
        timing_epochs=1,
        layer="stage2",
        layers={each: layer[teacher["model"]["kind"]] for each, teacher in teachers.items()},
        groups=(),
        left_out={**dict.fromkeys(NOT_ON_CIFAR, TOO_LONG), **left_out},
    )  # fmt: skip
