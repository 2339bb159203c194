"""A run of full length, interrupted as soon as its teachers' inference configs are chosen.

How much is tried depends on the number of answers needed, and the choice is stored. So the short
runs of the benchmark run their teachers as the full run would.
"""

from __future__ import annotations

import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.throughput_comparison.our_runs import (
    LONGEST,
    REPOSITORY,
    OurRun,
    Workload,
    arguments,
)
from benchmarks.throughput_comparison.setting import TEACHERS

FULL_EPOCHS = 100
INTERRUPTED = 130


def tune_teachers(work: Workload) -> float:
    """Stores each teacher's inference config in ``work.home``; returns the seconds it took.

    Raises:
        RuntimeError: the run ended before, or has not chosen within ``LONGEST`` seconds.
    """
    began = time.perf_counter()
    asked = arguments(
        OurRun(len(TEACHERS)), replace(work, fraction=1.0, epochs=FULL_EPOCHS), seed=0
    )
    log = work.home / "tuning.txt"
    with log.open("wb") as file:
        process = subprocess.Popen(asked, cwd=REPOSITORY, stdout=file, stderr=file)
    while process.poll() is None and not _all_tuned(work.home):
        if time.perf_counter() - began > LONGEST:
            break
        try:
            process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            continue
    seconds = time.perf_counter() - began
    process.send_signal(signal.SIGINT)
    ended = process.wait(timeout=120)
    if ended != INTERRUPTED or not _all_tuned(work.home):
        raise RuntimeError(f"exit {ended} before tuning ended: {log.read_text()[-1500:]}")
    return seconds


def _all_tuned(home: Path) -> bool:
    """Whether every teacher has passed the parity gate under its inference config."""
    return len(list((home / "bank").glob("*/verdict.json"))) >= len(TEACHERS)
