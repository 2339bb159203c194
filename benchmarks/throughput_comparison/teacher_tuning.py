"""A run of full length, interrupted as soon as it is settled how its teachers are run.

How long is tried depends on how much there is to answer, and what is found is kept. So the short
runs of the contest have their teachers run as the run that they stand for would have.
"""

from __future__ import annotations

import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.throughput_comparison.our_runs import LONGEST, REPOSITORY, OurRun, Work, arguments
from benchmarks.throughput_comparison.setting import TEACHERS

FULL_EPOCHS = 100
INTERRUPTED = 130


def settle(work: Work) -> float:
    """Leaves in ``work.home`` how each teacher is run; the seconds until that was settled.

    Raises:
        RuntimeError: the run ended before, or has not settled it within ``LONGEST`` seconds.
    """
    began = time.perf_counter()
    asked = arguments(
        OurRun(len(TEACHERS)), replace(work, fraction=1.0, epochs=FULL_EPOCHS), seed=0
    )
    said = work.home / "settling.txt"
    with said.open("wb") as file:
        process = subprocess.Popen(asked, cwd=REPOSITORY, stdout=file, stderr=file)
    while process.poll() is None and not _settled(work.home):
        if time.perf_counter() - began > LONGEST:
            break
        try:
            process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            continue
    seconds = time.perf_counter() - began
    process.send_signal(signal.SIGINT)
    ended = process.wait(timeout=120)
    if ended != INTERRUPTED or not _settled(work.home):
        raise RuntimeError(f"exit {ended} before all was settled: {said.read_text()[-1500:]}")
    return seconds


def _settled(home: Path) -> bool:
    """Whether every teacher has passed the gate in the manner chosen for it."""
    return len(list((home / "bank").glob("*/verdict.json"))) >= len(TEACHERS)
