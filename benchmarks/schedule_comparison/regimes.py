"""The samples, teacher, student and sizes of assistants of each comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.ensemble_comparison.regimes import Regime

Plain = dict[str, Any]
NEVER = 1_000_000
"""Steps between checkpoints: none before the end, for a student takes seconds."""
TEACHER = "large"


@dataclass(frozen=True, kw_only=True)
class ScheduleRegime(Regime):
    """One setting: ``recipe`` lacks the objective and the schedule.

    ``sizes`` are the models that may assist, by a short name, the largest first. ``grid`` has the
    temperatures and weights of soft targets that are tried for each arm; the untaught student has
    as many weight decays. With ``shared_assistants`` all seeds have the same intermediate models,
    else each has its own. ``parts``: which groups of arms are compared.
    """

    sizes: Mapping[str, Plain]
    grid: tuple[tuple[float, float], ...]
    parts: tuple[str, ...]
    shared_assistants: bool = False

    @property
    def epochs(self) -> int:
        """Epochs of a student."""
        return int(self.recipe["student"]["train"]["epochs"])

    @property
    def teacher_epochs(self) -> int:
        """Epochs of the teacher."""
        return int(self.recipe["teachers"][TEACHER]["train"]["epochs"])


def regimes(root: Path) -> dict[str, ScheduleRegime]:
    """All of them by name; ``root`` holds ``MNIST`` and ``cifar-10-batches-py``."""
    return {regime.name: regime for regime in _regimes(root)}


def _regimes(root: Path) -> Iterator[ScheduleRegime]:
    digits: Plain = {"kind": "digits", "validation": 270, "fraction": 0.1}
    mnist: Plain = {"kind": "mnist", "root": str(root), "validation": 6000, "fraction": 0.03}
    small = {"digits": _mlp(16), "mnist": _mlp(32)}
    every = ("chain", "generations", "route", "early")
    yield _regime(
        "digits",
        "8x8 digits, 10 % (109 samples), an MLP of 16 hidden units; its teacher, an MLP of 256 and "
        "256, was trained on all 1,077",
        digits,
        _trained(_mlp(256, 256, dropout=0.2), 30, 0.1),
        _student(small["digits"], 60, 0.2),
        parts=every,
        sizes={str(width): _mlp(width) for width in (128, 64, 32)},
        tuning_seeds=2,
    )
    yield _regime(
        "mnist",
        "MNIST, 3 % (1,621 samples), an MLP of 32 hidden units; its teacher, an MLP of 400 and "
        "400, was trained on all 54,000",
        mnist,
        _trained(_mlp(400, 400, dropout=0.2), 6, 0.05),
        _student(small["mnist"], 30, 0.1),
        parts=every,
        sizes={str(width): _mlp(width) for width in (256, 128, 64)},
    )
    yield _regime(
        "digits-itself",
        "8x8 digits, 10 % (109 samples); the first teacher is the same MLP of 16 hidden units, "
        "trained on the same samples",
        digits,
        _trained(small["digits"], 60, 0.2, fraction=0.1),
        _student(small["digits"], 60, 0.2),
        parts=("generations",),
        tuning_seeds=2,
    )
    yield _regime(
        "mnist-itself",
        "MNIST, 3 % (1,621 samples); the first teacher is the same MLP of 32 hidden units, trained "
        "on the same samples",
        mnist,
        _trained(small["mnist"], 30, 0.1, fraction=0.03),
        _student(small["mnist"], 30, 0.1),
        parts=("generations",),
    )
    yield _cifar(root)


def _cifar(root: Path) -> ScheduleRegime:
    def cnn(*channels: int) -> Plain:
        return {"kind": "plain_cnn", "channels": list(channels)}

    pairs = (16, 16, 32, 32, 64, 64, 128, 128)
    return _regime(
        "cifar",
        "CIFAR-10, 10 % (4,750 samples), a plain CNN of 2 layers; its teacher, one of 10 layers, "
        "was trained on the same samples",
        {"kind": "cifar10", "root": str(root), "validation": 2500, "fraction": 0.1,
         "augment": "crop_flip", "views": 4},
        _trained(cnn(32, 32, 64, 64, 128, 128, 256, 256, 256, 256), 12, 0.05, fraction=0.1),
        _student(cnn(16, 16), 12, 0.05),
        parts=("depth",),
        sizes={str(depth): cnn(*pairs[:depth]) for depth in (8, 6, 4)},
        grid=((4.0, 0.5), (4.0, 0.9)),
        decays=(1.0e-4, 3.0e-3),
        shared_assistants=True,
    )  # fmt: skip


def _regime(
    name: str,
    description: str,
    transfer_set: Plain,
    teacher: Plain,
    student: Plain,
    *,
    parts: tuple[str, ...],
    sizes: Mapping[str, Plain] | None = None,
    grid: tuple[tuple[float, float], ...] = ((1.0, 0.5), (1.0, 0.9), (4.0, 0.5), (4.0, 0.9)),
    decays: tuple[float, ...] = (1.0e-4, 3.0e-3, 1.0e-2, 3.0e-2),
    tuning_seeds: int = 1,
    shared_assistants: bool = False,
) -> ScheduleRegime:
    """A regime in this process, every role on one thread, so that two runs share two cores."""
    return ScheduleRegime(
        name=name,
        description=description,
        recipe={
            "name": name,
            "transfer_set": transfer_set,
            "teachers": {TEACHER: teacher},
            "student": student,
            "controls": [],
            "cluster": {"mode": "in_process"},
        },
        rates=(),
        decays=(),
        untaught_decays=decays,
        layer="",
        layers={},
        groups=(),
        tuning_seeds=tuning_seeds,
        sizes=sizes or {},
        grid=grid,
        parts=parts,
        shared_assistants=shared_assistants,
    )


def _mlp(*hidden: int, dropout: float = 0.0) -> Plain:
    return {"kind": "mlp", "hidden": list(hidden), **({"dropout": dropout} if dropout else {})}


def _sgd(lr: float) -> Plain:
    return {"kind": "sgd", "lr": lr, "weight_decay": 1.0e-4}


def _trained(model: Plain, epochs: int, lr: float, *, fraction: float = 1.0) -> Plain:
    """A teacher with a seed of its own, so that the recipe's seed changes assistants alone."""
    train = {"epochs": epochs, "threads": 1, "seed": 77, "fraction": fraction,
             "optimizer": _sgd(lr)}  # fmt: skip
    return {"model": model, "threads": 1, "precision": "fp32", "engine": {"kind": "torch"},
            "train": train}  # fmt: skip


def _student(model: Plain, epochs: int, lr: float) -> Plain:
    train = {"epochs": epochs, "threads": 1, "batch_size": 64, "optimizer": _sgd(lr),
             "checkpoint": {"every": NEVER}}  # fmt: skip
    return {"model": model, "train": train, "engine": {"kind": "torch"}}
