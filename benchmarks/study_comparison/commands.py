"""Each part of the comparison as a process of its own, in an empty home, with its seconds."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.study_comparison.study_times import StudyTimes, read_times
from benchmarks.study_comparison.work import StudyWork
from benchmarks.throughput_comparison.our_runs import COMMAND, run_program
from benchmarks.throughput_comparison.peer_runs import PEERS, PeerRunner
from benchmarks.throughput_comparison.results import REFERENCE
from benchmarks.throughput_comparison.setting import TEACHERS

PART = [sys.executable, "-m", "benchmarks.study_comparison.run_part"]


@dataclass(frozen=True)
class Commands:
    """Runs what ``work`` describes; temporary files are in ``folder``."""

    work: StudyWork
    folder: Path

    def study(self) -> StudyTimes:
        """The study, from the command to its end."""
        with self._home() as home:
            path, began = _write(home / "study.yaml", self.work.study()), time.time()
            run_program([*COMMAND, "--home", str(home), "search", path, "--json"])
            return read_times(home, began, time.time(), self.work.parallel)

    def filling(self) -> float:
        """Seconds of one filling of the bank."""
        with self._home() as home:
            warm_up = _write(home / "warm_up.yaml", self.work.linear_untaught())
            recipe = _write(home / "filling.yaml", self.work.filling())
            output, _ = run_program([*PART, "filling", str(home), warm_up, recipe])
            return float(output.splitlines()[-1])

    def untaught(self) -> float:
        """Seconds of as many untaught students as the study has trials, start included."""
        with self._home() as home:
            recipe = _write(home / "untaught.yaml", self.work.untaught())
            counts = str(self.work.trials), str(self.work.parallel)
            return run_program([*PART, "untaught", str(home), recipe, *counts])[1]

    def separate(self, seed: int) -> float:
        """Seconds of one run of ours."""
        with self._home() as home:
            recipe = _write(home / "separate.yaml", self.work.separate(seed))
            return run_program([*COMMAND, "--home", str(home), "run", recipe, "--json"])[1]

    def textbrewer(self, seed: int, loaders: int) -> float:
        """Seconds of one run of TextBrewer with so many DataLoader processes."""
        work = self.work
        options = {"epochs": work.epochs, "fraction": work.fraction, "seed": seed}
        return float(self._peer(loaders, options)["wall"])

    def best_loaders(self, most: int) -> int:
        """The number of DataLoader processes, up to ``most``, with which TextBrewer is fastest."""
        rates = {n: self._peer(n, {"seconds": 3})["images_per_second"] for n in range(most + 1)}
        return max(rates, key=rates.__getitem__)

    def _peer(self, loaders: int, options: Mapping[str, Any]) -> Mapping[str, Any]:
        runner = PeerRunner(self.work.root, self.folder, {len(TEACHERS): loaders})
        every = {**options, "threads": self.work.cores}
        given = (part for name, value in every.items() for part in (f"--{name}", str(value)))
        return runner.run(REFERENCE, *given)

    @contextmanager
    def _home(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(dir=self.folder) as home:
            yield Path(home)


def textbrewer_installed() -> bool:
    """Whether TextBrewer can be run."""
    return PEERS[REFERENCE].installed


def _write(path: Path, recipe: Mapping[str, Any]) -> str:
    path.write_text(yaml.safe_dump(recipe))
    return str(path)
