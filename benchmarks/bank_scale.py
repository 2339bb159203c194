"""Measures the bank at the size of ImageNet: 1.28 million samples, 1,000 classes, top 16.

    python -m benchmarks.bank_scale [--folder FOLDER] [--seconds 8]

The bytes of 5 teachers and 100 views are computed. One view of one teacher is filled and sealed in
the folder, and then read at random by 8 processes at once, as a student's rank reads it: batches of
256, opened once, verified at the first access, decoded to dense float16. A process's memory is
printed without and with the pages of the file, which all of them share.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import psutil

from teachers.bank.budget import bytes_of_one_view
from teachers.bank.columns import Column
from teachers.bank.reader import StoredView
from teachers.bank.shelf import Shelf
from teachers.bank.writer import LiveView

SAMPLES, CLASSES, TEACHERS, VIEWS, TOP_K = 1_280_000, 1_000, 5, 100, 16
PROCESSES, BATCH = 8, 256
APPENDED = 1024
"""Answers in one append of the simulated teacher: four forward batches."""


@dataclass(frozen=True)
class Read:
    """One process's figures: ``own`` and ``shared`` are bytes in addition to those at its start."""

    open_seconds: float
    first_samples: float
    samples: float
    own: int
    shared: int


def shelf_in(folder: Path) -> Shelf:
    """The shelf of one teacher, with its top 16 of 1,000 classes."""
    column = Column("logits", (CLASSES,), TOP_K)
    return Shelf(folder / ("0" * 32), "ab" * 32, SAMPLES, 10**12, (column,))


def fill(shelf: Shelf) -> tuple[float, float]:
    """Fills view 0 in random order; the seconds for storing, and for sealing."""
    rng = np.random.default_rng(0)
    order = rng.permutation(SAMPLES)
    logits = rng.normal(0, 3, (APPENDED, CLASSES)).astype(np.float16)
    view = LiveView(shelf, 0)
    started = time.perf_counter()
    for begin in range(0, SAMPLES, APPENDED):
        ids = order[begin : begin + APPENDED]
        view.append(ids, {shelf.columns[0].name: logits[: len(ids)]})
    stored = time.perf_counter()
    view.close()
    if view.trouble:
        raise SystemExit(view.trouble)
    return stored - started, time.perf_counter() - stored


def read(shelf: Shelf, seed: int, seconds: float) -> Read:
    """One process's reads: half of ``seconds`` with verification, then the other half without."""
    rng = np.random.default_rng(seed)
    before = psutil.Process().memory_full_info()
    started = time.perf_counter()
    view = StoredView(shelf, 0)
    opened = time.perf_counter() - started
    first = _samples_a_second(view, rng, seconds / 2)
    warm = _samples_a_second(view, rng, seconds / 2)
    after = psutil.Process().memory_full_info()
    own = after.uss - before.uss
    return Read(opened, first, warm, own, after.rss - before.rss - own)


def _samples_a_second(view: StoredView, rng: np.random.Generator, seconds: float) -> float:
    started, samples = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        view.read(rng.integers(0, SAMPLES, BATCH))
        samples += BATCH
    return samples / (time.perf_counter() - started)


def lines(stored: float, sealed: float, one_file: int, found: list[Read]) -> list[str]:
    """The table."""
    column = Column("logits", (CLASSES,), TOP_K)
    whole = Column("logits", (CLASSES,))
    one_view = bytes_of_one_view([column], SAMPLES, SAMPLES)
    raw = SAMPLES * column.row_bytes
    in_full = bytes_of_one_view([whole], SAMPLES, SAMPLES)
    files = TEACHERS * VIEWS
    median = {
        name: float(np.median([getattr(each, name) for each in found])) for name in vars(found[0])
    }
    return [
        f"{SAMPLES:,} samples, {CLASSES:,} classes, {TEACHERS} teachers, {VIEWS} views, "
        f"top {TOP_K}",
        f"one view of one teacher       {one_view / 1e6:10.1f} MB   (on disk {one_file / 1e6:.1f}, "
        f"{one_view / raw:.4f} x its rows; whole float16 {in_full / 1e6:,.0f} MB)",
        f"all views of all teachers     {files * one_view / 1e9:10.2f} GB   (whole float16 "
        f"{files * in_full / 1e9:,.0f} GB)",
        f"storing                       {SAMPLES / stored:10,.0f} samples/s, encoding included",
        f"sealing one view              {sealed:10.2f} s",
        f"opening a view                {1e3 * median['open_seconds']:10.2f} ms",
        f"random reads, {PROCESSES} processes     {sum(each.samples for each in found):10,.0f} "
        "samples/s in all "
        f"(while verifying {sum(each.first_samples for each in found):,.0f})",
        f"memory of a process           {median['own'] / 1e6:10.1f} MB of its own, "
        f"{median['shared'] / 1e6:.1f} MB of shared pages",
    ]


def main() -> None:
    """Fills, reads, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="where to write some 200 MB temporarily")
    parser.add_argument("--seconds", type=float, default=8.0, help="how long the processes read")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        shelf = shelf_in(Path(folder))
        stored, sealed = fill(shelf)
        (file,) = shelf.folder.rglob("*.sealed")
        work = [(shelf, seed, options.seconds) for seed in range(PROCESSES)]
        with get_context("spawn").Pool(PROCESSES) as pool:
            found = pool.starmap(read, work, chunksize=1)
        print("\n".join(lines(stored, sealed, file.stat().st_size, found)))


if __name__ == "__main__":
    main()
