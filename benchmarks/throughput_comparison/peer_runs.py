"""Has the peers take their turns, each in a process of its own with all cores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks.throughput_comparison.our_runs import LONGEST, REPOSITORY
from benchmarks.throughput_comparison.results import BY_HAND, TO_BEAT, Figures

BY_HAND_TAUGHT, ONE_TEACHER = "by hand, 3 teachers", "TextBrewer, 1 teacher"


@dataclass(frozen=True)
class Peer:
    """``module`` of this folder trains with ``teachers``; ``library`` is what it measures."""

    module: str
    teachers: int
    library: str | None = None

    @property
    def installed(self) -> bool:
        """Whether the library is there."""
        return self.library is None or find_spec(self.library) is not None


PEERS = {
    BY_HAND: Peer("hand_written", 0),
    "teachers alone, by hand": Peer("teachers_alone", 3),
    BY_HAND_TAUGHT: Peer("hand_written", 3),
    ONE_TEACHER: Peer("textbrewer", 1, "textbrewer"),
    TO_BEAT: Peer("textbrewer", 3, "textbrewer"),
    "torchdistill, 1 teacher": Peer("torchdistill", 1, "torchdistill"),
    "ModelOpt, 1 teacher": Peer("modelopt", 1, "modelopt"),
}


def installed() -> list[str]:
    """The peers that can take turns here."""
    return [name for name, peer in PEERS.items() if peer.installed]


@dataclass(frozen=True)
class Turns:
    """Where turns are taken; ``loaders`` are the DataLoader's processes by number of teachers."""

    root: Path
    cache: Path
    loaders: dict[int, int]

    def take(self, name: str, *options: str) -> Figures:
        """One turn of ``name``; ``options`` are those of ``one_turn``.

        Raises:
            RuntimeError: it failed; the message is the last it said.
        """
        loaders, cores = self.loaders[PEERS[name].teachers], len(os.sched_getaffinity(0))
        module = (sys.executable, "-m", "benchmarks.throughput_comparison.run_peer")
        fixed = ("--cache", str(self.cache), "--loaders", str(loaders), "--threads", str(cores))
        began = time.perf_counter()
        done = subprocess.run(
            [*module, name, str(self.root), *fixed, *options],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=LONGEST,
        )
        if done.returncode != 0:
            raise RuntimeError(f"exit {done.returncode}: {done.stderr[-1500:]}")
        return {**json.loads(done.stdout.splitlines()[-1]), "wall": time.perf_counter() - began}


def best_loaders(root: Path, cache: Path, choices: Iterable[int]) -> dict[int, dict[int, float]]:
    """Pictures a second by DataLoader processes, for no, one and three teachers."""
    found: dict[int, dict[int, float]] = {0: {}, 1: {}, 3: {}}
    for processes in choices:
        turns = Turns(root, cache, dict.fromkeys(found, processes))
        for teachers, name in ((0, BY_HAND), (1, ONE_TEACHER), (3, TO_BEAT)):
            asked = name if PEERS[name].installed else BY_HAND_TAUGHT
            figures = turns.take(asked, "--seconds", "3")
            found[teachers][processes] = figures["images_per_second"]
    return found
