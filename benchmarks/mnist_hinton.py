"""Repeats Hinton's experiment on MNIST (2015, section 3), and prints it beside the paper's figures.

    python -m benchmarks.mnist_hinton [--root DIR] [--seeds 3] [--home DIR] [a.b=value ...]

``--root`` holds torchvision's MNIST files. It takes about an hour of one core; what is stored in
``--home`` is not computed again, and an interrupted run resumes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from benchmarks.seeds import HOME, over_seeds
from orchestrator.results.run_report import ModelReport, RunReport

RECIPE = Path(__file__).parents[1] / "recipes" / "mnist_hinton.yaml"
TEST_SAMPLES = 10_000


@dataclass(frozen=True)
class Errors:
    """Errors on the 10,000 test images: of each seed, or the paper's single figure."""

    teacher: Sequence[int]
    untaught: Sequence[int]
    taught: Sequence[int]

    @property
    def closed(self) -> float:
        """The share of the gap from untaught student to teacher that teaching closes (of means)."""
        gap = fmean(self.untaught) - fmean(self.teacher)
        return (fmean(self.untaught) - fmean(self.taught)) / gap


PAPER = Errors(teacher=[67], untaught=[146], taught=[74])


def errors_of(reports: Sequence[RunReport]) -> Errors:
    """The errors of finished runs with several seeds, which share one teacher."""
    (teacher,) = reports[0].teachers.values()
    return Errors(
        teacher=[_errors(teacher)],
        untaught=[_errors(report.untaught) for report in reports],
        taught=[_errors(report.student) for report in reports],
    )


def _errors(model: ModelReport | None) -> int:
    assert model is not None, "the recipe has a student and its untaught control"
    return round((1 - model.test.accuracy) * TEST_SAMPLES)


def lines(found: Errors) -> Iterator[str]:
    """The table that the benchmark prints."""
    yield f"{'test errors of 10,000':34s} {'here':>22s} {'paper':>6s}"
    rows = (
        ("teacher, 2x1200, dropout, shifts", found.teacher, PAPER.teacher),
        ("student, 2x800, untaught", found.untaught, PAPER.untaught),
        ("student, 2x800, taught at T=20", found.taught, PAPER.taught),
    )
    for name, here, there in rows:
        yield f"{name:34s} {_mean_and_each(here):>22s} {there[0]:6d}"
    name = "share of the gap closed"
    yield f"{name:34s} {found.closed:>22.0%} {PAPER.closed:>6.0%}"


def _mean_and_each(errors: Sequence[int]) -> str:
    if len(errors) == 1:
        return str(errors[0])
    return f"{fmean(errors):.1f} ({', '.join(map(str, errors))})"


def main() -> None:
    """Prints the table of one run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("overrides", nargs="*", metavar="a.b=value")
    parser.add_argument("--root", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--home", type=Path, default=HOME)
    options = parser.parse_intermixed_args()
    root = [] if options.root is None else [f"transfer_set.root={options.root}"]
    began = time.monotonic()
    reports = over_seeds(
        RECIPE, [*root, *options.overrides], seeds=options.seeds, home=options.home
    )
    for line in lines(errors_of(reports)):
        print(line)
    print(f"{time.monotonic() - began:.0f} s, without the stages that were stored")


if __name__ == "__main__":
    main()
