"""Runs the peers, each in its own process with all cores."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks.throughput_comparison.our_runs import run_program
from benchmarks.throughput_comparison.results import BY_HAND, REFERENCE, Figures

BY_HAND_TAUGHT, ONE_TEACHER = "by hand, 3 teachers", "TextBrewer, 1 teacher"


@dataclass(frozen=True)
class Peer:
    """``module`` of this folder trains with ``teachers``; ``library`` is what it measures."""

    module: str
    teachers: int
    library: str | None = None

    @property
    def installed(self) -> bool:
        """Whether the library is installed."""
        return self.library is None or find_spec(self.library) is not None


PEERS = {
    BY_HAND: Peer("hand_written", 0),
    "teachers alone, by hand": Peer("teachers_alone", 3),
    BY_HAND_TAUGHT: Peer("hand_written", 3),
    ONE_TEACHER: Peer("textbrewer", 1, "textbrewer"),
    REFERENCE: Peer("textbrewer", 3, "textbrewer"),
    "torchdistill, 1 teacher": Peer("torchdistill", 1, "torchdistill"),
    "ModelOpt, 1 teacher": Peer("modelopt", 1, "modelopt"),
}


def installed() -> list[str]:
    """The peers whose library is installed."""
    return [name for name, peer in PEERS.items() if peer.installed]


@dataclass(frozen=True)
class PeerRunner:
    """Runs peers; ``loaders`` are the DataLoader's processes by number of teachers."""

    root: Path
    cache: Path
    loaders: dict[int, int]

    def run(self, name: str, *options: str) -> Figures:
        """One run of ``name``; ``options`` are those of ``run_peer``.

        Raises:
            RuntimeError: it failed; the message is the end of its output.
        """
        loaders, cores = self.loaders[PEERS[name].teachers], len(os.sched_getaffinity(0))
        module = (sys.executable, "-m", "benchmarks.throughput_comparison.run_peer")
        fixed = ("--cache", str(self.cache), "--loaders", str(loaders), "--threads", str(cores))
        output, seconds = run_program([*module, name, str(self.root), *fixed, *options])
        return {**json.loads(output.splitlines()[-1]), "wall": seconds}


def best_loaders(root: Path, cache: Path, choices: Iterable[int]) -> dict[int, dict[int, float]]:
    """Images/s by number of DataLoader processes, for no, one and three teachers."""
    found: dict[int, dict[int, float]] = {0: {}, 1: {}, 3: {}}
    for processes in choices:
        runner = PeerRunner(root, cache, dict.fromkeys(found, processes))
        for teachers, name in ((0, BY_HAND), (1, ONE_TEACHER), (3, REFERENCE)):
            asked = name if PEERS[name].installed else BY_HAND_TAUGHT
            figures = runner.run(asked, "--seconds", "3")
            found[teachers][processes] = figures["images_per_second"]
    return found
