"""Runs the same work by stillhouse's command, and reads the step times from its step log."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from benchmarks.throughput_comparison.setting import (
    BATCH,
    LEARNING_RATE,
    MEAN,
    MOMENTUM,
    SOFT,
    STD,
    STUDENT_DEPTH,
    TASK,
    TEACHERS,
    TEMPERATURE,
    VALIDATION,
    WEIGHT_DECAY,
    Setting,
)

COMMAND = [sys.executable, "-c", "from orchestrator.cli import main; main()"]
REPOSITORY = Path(__file__).parents[2]
ANSWERS = ("computed", "read")
REPEATED = 0.05
"""Share of an epoch's answers that may be read while a bank is filled: the last batch is completed
with the epoch's first samples."""
LONGEST = 1800.0
"""Seconds after which a run is aborted."""


Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class OurRun:
    """What to run; ``bank``: none, emptied before, or as earlier runs have left it."""

    teachers: int
    bank: Literal["none", "emptied", "kept"] = "kept"
    precision: Precision = "fp32"
    teachers_precision: Literal["auto", "fp32"] = "auto"


RUNS = {
    "untaught, fp32": OurRun(0),
    "untaught, bf16": OurRun(0, precision="bf16"),
    "live, fp32": OurRun(3, bank="none"),
    "filling, fp32": OurRun(3, bank="emptied"),
    "filled, fp32": OurRun(3),
    "filling, bf16": OurRun(3, bank="emptied", precision="bf16"),
    "filled, bf16": OurRun(3, precision="bf16"),
    "filled by one, fp32": OurRun(1),
    "live, fp32 teachers": OurRun(3, bank="none", teachers_precision="fp32"),
}
"""In the order of a round: a filled bank is what the run that fills it has left."""


@dataclass(frozen=True)
class Workload:
    """The work of each run, and where: ``fraction`` of the samples, ``epochs`` of them."""

    root: Path
    home: Path
    fraction: float
    epochs: int
    warm_up: int = 8

    def setting(self, teachers: int) -> Setting:
        """The same work for the peers."""
        return Setting(self.root, teachers, self.epochs, self.fraction, 0, 0, self.home / "cache")


@dataclass(frozen=True)
class Measured:
    """One run: images/s and the median step of the steps measured; ``waited`` is the share of their
    time spent waiting; ``first_step`` and ``seconds`` count from the command's start.

    ``computed`` answers were asked of teachers, ``read`` ones were stored; ``teachers`` is each
    teacher's entry in the report."""

    images_per_second: float
    milliseconds: float
    steps: int
    waited: float
    first_step: float
    seconds: float
    accuracy: float
    computed: int
    read: int
    teachers: Mapping[str, Any]


def measure(run: OurRun, work: Workload, *, seed: int) -> Measured:
    """Runs the command with a student of ``seed``, which must be new to the home.

    Raises:
        RuntimeError: the command failed (the message is the end of its output), a bank that was
            emptied had answers, or a filled one had none.
    """
    if run.bank == "emptied":
        delete_answers(work.home)
    began = time.time()
    report, seconds = command(run, work, seed=seed)
    (stage,) = [each for each in report["stages"] if each["name"] == "student"]
    if not stage["ran"]:
        raise RuntimeError(f"the student of seed {seed} is stored already; give another seed")
    rows = list(_rows(work.home / "stages" / stage["digest"]))
    teachers = (report.get("teaching") or {}).get("teachers", {})
    computed, read = (sum(each[what] for each in teachers.values()) for what in ANSWERS)
    if computed if run.bank == "kept" else read > REPEATED * computed:
        raise RuntimeError(f"{computed} answers were computed and {read} read")
    return Measured(
        **_rates(rows, work.warm_up),
        first_step=_first_step(rows) - began,
        seconds=seconds,
        accuracy=report["student"]["test"]["accuracy"],
        computed=computed,
        read=read,
        teachers=teachers,
    )


def command(
    run: OurRun, work: Workload, *, seed: int, repeats: int = 1
) -> tuple[Mapping[str, Any], float]:
    """The report of ``stillhouse run``, and how long the whole command took.

    Raises:
        RuntimeError: it failed.
    """
    asked = arguments(run, work, seed=seed)
    output, seconds = run_program([*asked, "--repeat", str(repeats)])
    return json.loads(output), seconds


def run_program(program: Sequence[str]) -> tuple[str, float]:
    """What ``program`` prints on standard output, and its seconds.

    Raises:
        RuntimeError: it failed; the message is the end of its output.
    """
    began = time.perf_counter()
    done = subprocess.run(
        program, cwd=REPOSITORY, capture_output=True, text=True, timeout=LONGEST, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"exit {done.returncode}: {done.stdout[-500:]} {done.stderr[-1500:]}")
    return done.stdout, time.perf_counter() - began


def arguments(run: OurRun, work: Workload, *, seed: int) -> list[str]:
    """The command line, and with it the recipe's file."""
    work.home.mkdir(parents=True, exist_ok=True)
    path = work.home / "peers.yaml"
    path.write_text(yaml.safe_dump(recipe(run, work, seed=seed)))
    return [*COMMAND, "--home", str(work.home), "run", str(path), "--json"]


def recipe(run: OurRun, work: Workload, *, seed: int) -> dict[str, Any]:
    """The recipe of ``run``; everything else is the default."""
    taught = {"task": TASK, "soft_targets": SOFT}
    whole: dict[str, Any] = {
        "name": "peers",
        "transfer_set": {
            "kind": "cifar10",
            "root": str(work.root),
            "augment": "crop_flip",
            "validation": VALIDATION,
            "fraction": work.fraction,
        },
        "student": {
            "model": _model(STUDENT_DEPTH),
            "objective": taught if run.teachers else {"task": 1.0},
            "train": {
                "epochs": work.epochs,
                "batch_size": BATCH,
                "seed": seed,
                "precision": run.precision,
                "optimizer": {
                    "kind": "sgd",
                    "lr": LEARNING_RATE,
                    "momentum": MOMENTUM,
                    "weight_decay": WEIGHT_DECAY,
                },
                "gradient_clipping": "none",
            },
        },
        "controls": [],
    }
    if run.teachers:
        whole["teachers"] = {
            f"resnet{depth}": {
                "model": _model(depth),
                "weights": str(work.root / file),
                "precision": run.teachers_precision,
            }
            for depth, file in list(TEACHERS.items())[: run.teachers]
        }
        whole["ensemble"] = {"temperature": TEMPERATURE}
        if run.bank == "none":
            whole["ensemble"]["bank"] = "none"
    return whole


def delete_answers(home: Path) -> None:
    """Deletes every stored answer; inference configs and the parity gate's verdicts stay."""
    for folder in (home / "bank").glob("*/view-*"):
        shutil.rmtree(folder)


def share_of_raw_bytes(work: Workload) -> float | None:
    """Sealed bytes over those of the same logits as raw fp16; none where nothing is sealed."""
    views = list((work.home / "bank").glob("*/view-*"))
    sealed = sum(path.stat().st_size for view in views for path in view.glob("*.sealed"))
    if not sealed:
        return None
    data = work.setting(0).transfer_set
    return sealed / (len(views) * len(data.student_ids) * data.classes * 2)


def _model(depth: int) -> dict[str, Any]:
    return {
        "kind": "resnet_cifar",
        "depth": depth,
        "preprocessing": {"mean": list(MEAN), "std": list(STD)},
    }


def _rows(folder: Path) -> Iterator[Any]:
    from students.specs import MODEL
    from students.storage.outcome import read_outcomes
    from students.storage.step_log import read_committed

    return read_committed(folder, read_outcomes(folder)[MODEL].segments)


def _rates(rows: list[Any], warm_up: int) -> dict[str, Any]:
    """From the ends of consecutive steps; validation and checkpoints, between epochs, do not count,
    since the peers do neither."""
    pairs = [
        (before, after)
        for before, after in itertools.pairwise(rows)
        if before.kind == after.kind == "step" and before.step >= warm_up - 1
    ]
    took = [(after.time_ms - before.time_ms) / 1000 for before, after in pairs]
    waited = sum(after.values["wait_seconds"] for _, after in pairs)
    return {
        "images_per_second": BATCH * len(took) / sum(took),
        "milliseconds": 1000 * sorted(took)[len(took) // 2],
        "steps": len(took),
        "waited": waited / sum(took),
    }


def _first_step(rows: list[Any]) -> float:
    """When the first step began, in seconds since 1970."""
    first = next(row for row in rows if row.kind == "step")
    return float(first.time_ms / 1000 - first.values["step_seconds"])
