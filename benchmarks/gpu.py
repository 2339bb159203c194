"""The cost of teaching on a GPU: untaught, live, while filling the bank, with it filled.

    python -m benchmarks.gpu [ROOT] [--rounds 3] [--epochs 2] [a.b=value ...]

Three ResNets (56, 44, 32) teach a ResNet-8, all on one GPU: teachers and student in one process,
and each teacher in its own process (a one-node Ray, each role with a quarter of the GPU).
``ROOT`` holds cifar-10-batches-py and the published weights under ``weights``; without it
images and weights are random, which does not change the speed. All runs are recipes as by
``stillhouse run``, so transfers are pinned and teachers are run as ``precision: auto`` chooses
(bf16, channels-last, compiled: the table names it); compare with
``teachers.resnet56.precision=fp32`` and so on.

Rates are those of the steps in each stage's step log, in samples/s and in % of the untaught
student's of the same run, unless the two ran at the same time. Without a GPU it says so and ends;
``--device cpu`` only shows that the benchmark itself works. It has not been run on a GPU yet.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import safetensors.torch
import torch

import stillhouse
from benchmarks.seeds import in_one_process
from benchmarks.views_count import RECIPE, WEIGHTS
from orchestrator.recipe.loading import LoadedRecipe
from orchestrator.results.run_report import RunReport
from orchestrator.results.teaching_report import TeacherRun
from students.models.build import build_model
from students.models.residual import ResNetCifar

PLACES = {"in_process": "teachers in the student's process", "local": "each in its own process"}
MODES = ("live", "filling", "filled")
RANDOM_DATA = """
import numpy as np

def pictures():
    drawn = np.random.default_rng(0)
    def part(count):
        return drawn.integers(0, 256, (count, 3, 32, 32), np.uint8), np.arange(count) % 10
    return {"train": part(50_000), "test": part(1_000)}
"""


@dataclass(frozen=True)
class Bench:
    """The settings of data and weights (``data``), further settings, and ``work``, the folder for
    all files."""

    work: Path
    data: tuple[str, ...]
    settings: tuple[str, ...]
    device: str

    def turn(self, place: str, mode: str, seed: int) -> RunReport:
        """One student in one mode, and an untaught one; the turn before has filled the bank."""
        home = self.work / place
        if mode != "filled":
            shutil.rmtree(home / "bank", ignore_errors=True)
        recipe = self._recipe(place, [f"student.train.seed={seed}", *self._bank(mode)])
        return stillhouse.run(recipe, home=home).report

    def _bank(self, mode: str) -> list[str]:
        return ["ensemble.bank=none"] if mode == "live" else []

    def _recipe(self, place: str, settings: Sequence[str]) -> LoadedRecipe:
        share = 0.25 if self.device == "cuda" else 0
        gpus = [f"teachers.{name}.resources.gpus={share}" for name in WEIGHTS]
        # One view: the seeds of all rounds ask for the same answers.
        all_of_them = [
            *self.data, "transfer_set.views=1", "controls=[untaught]",
            f"student.resources.gpus={share}", *gpus, *settings, *self.settings,
        ]  # fmt: skip
        if place == "in_process":
            return in_one_process(RECIPE, all_of_them)
        return stillhouse.load_recipe(RECIPE, all_of_them)


def random_data(folder: Path) -> tuple[str, ...]:
    """Settings for random images and weights, made in ``folder``."""
    (folder / "drawn.py").write_text(RANDOM_DATA)
    settings = [f"transfer_set={{kind: custom, source: {folder}/drawn.py:pictures}}"]
    for name in WEIGHTS:
        config = ResNetCifar(depth=int(name.removeprefix("resnet")))
        model = build_model(config, input_shape=(3, 32, 32), classes=10, seed=0, folder=folder)
        file = folder / f"{name}.safetensors"
        safetensors.torch.save_file(model.state_dict(), file)
        settings += [f"teachers.{name}.weights={file}", f"teachers.{name}.gate=warn"]
    return (*settings, "transfer_set.augment=crop_flip", "transfer_set.validation=1000")


def published_data(root: Path) -> tuple[str, ...]:
    """Settings for CIFAR-10 and the published weights in ``root``."""
    weights = [
        f"teachers.{name}.weights={root / 'weights' / file}" for name, file in WEIGHTS.items()
    ]
    return (f"transfer_set.root={root}", *weights)


def measure(bench: Bench, rounds: int) -> dict[tuple[str, str], list[RunReport]]:
    """The reports by place and mode; modes alternate within a round."""
    found: dict[tuple[str, str], list[RunReport]] = {}
    for number in range(rounds):
        for place in PLACES:
            for turn, mode in enumerate(MODES):
                report = bench.turn(place, mode, seed=len(MODES) * number + turn)
                found.setdefault((place, mode), []).append(report)
    return found


def lines(found: Mapping[tuple[str, str], Sequence[RunReport]]) -> Iterator[str]:
    """Medians over the rounds, and the teachers' inference configs."""
    yield f"{'':36s} {'':8s} {'samples/s':>10s} {'of untaught':>12s} {'waiting':>8s}"
    for (place, mode), reports in found.items():
        teaching = [each.teaching for each in reports if each.teaching and each.teaching.student]
        rate = median(each.student.samples_per_second for each in teaching if each.student)
        shares = [each.of_untaught for each in teaching if each.of_untaught]
        share = f"{median(shares):.1%}" if shares else "concurrent"
        waits = median(each.student.wait_share for each in teaching if each.student)
        yield f"{PLACES[place]:36s} {mode:8s} {rate:10,.0f} {share:>12s} {waits:8.1%}"
    for place in PLACES:
        yield from (f"{PLACES[place]}: {said}" for said in _inferences(found[place, "filling"][0]))


def _inferences(report: RunReport) -> Iterator[str]:
    teachers: Mapping[str, TeacherRun] = report.teaching.teachers if report.teaching else {}
    for name, run in teachers.items():
        gain = "not compared" if run.speedup is None else f"{run.speedup:.2f} times plain fp32"
        rate = "" if run.chosen_rate is None else f", {run.chosen_rate:,.0f} samples/s alone"
        yield f"{name} run in {run.inference}: {gain}{rate}"


def main() -> int:
    """Prints the figures of one run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("given", nargs="*", metavar="[ROOT] [a.b=value ...]")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    options = parser.parse_intermixed_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        print("This machine has no GPU that torch can use; run it where there is one.")
        return 1
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        root = next((Path(each).absolute() for each in options.given if "=" not in each), None)
        data = random_data(folder) if root is None else published_data(root)
        changed = [each for each in options.given if "=" in each]
        settings = (f"student.train.epochs={options.epochs}", *changed)
        bench = Bench(folder, data, settings, options.device)
        for line in lines(measure(bench, options.rounds)):
            print(line)
    where = torch.cuda.get_device_name() if options.device == "cuda" else "cpu"
    print(f"medians of {options.rounds} rounds on {where}; {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
