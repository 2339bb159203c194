"""The effect of the number of views on accuracy and cost: three ResNets, a ResNet-8, CIFAR-10.

    python -m benchmarks.views_count ROOT [--views 1 2 4 8 all] [--fraction 0.1] [--epochs 20]
                                     [--seeds 5] [--minutes 35] [--home DIR] [a.b=value ...]

``ROOT`` holds cifar-10-batches-py and the published weights under ``weights``. The recipe is
recipes/cifar10_resnets.yaml, run in this process on the torch engine; each seed trains one student
for each number of views, so differences are paired by seed. The bank is shared: a view is the same
whatever their number, so each answer is computed once.

After ``--minutes`` no further seed is started. What is stored in ``--home`` is not computed again.
Accuracy is that of the last epoch; the default is chosen on validation.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import stillhouse
from benchmarks.seeds import format_percent, in_one_process
from orchestrator.formatting import format_bytes
from orchestrator.report.compare_seeds import paired
from orchestrator.results.run_report import ModelReport, RunReport
from teachers.bank.budget import views_on_disk
from teachers.bank.shelf import shelves_of

RECIPE = Path(__file__).parents[1] / "recipes" / "cifar10_resnets.yaml"
WEIGHTS = {
    "resnet56": "resnet56-4bfd9763.th",
    "resnet44": "resnet44-014dd654.th",
    "resnet32": "resnet32-d509ac18.th",
}
ALL = "all"


@dataclass(frozen=True)
class ViewsComparison:
    """What is compared: ``views`` as written in a recipe; ``settings`` apply to all."""

    root: Path
    views: tuple[str, ...]
    epochs: int
    settings: tuple[str, ...]
    home: Path

    def overrides(self, views: str) -> list[str]:
        """The overrides for one number of views."""
        weights = self.root / "weights"
        return [
            f"transfer_set.root={self.root}",
            f"transfer_set.views={views}",
            f"student.train.epochs={self.epochs}",
            "controls=[]",
            *(f"teachers.{name}.weights={weights / file}" for name, file in WEIGHTS.items()),
            *self.settings,
        ]

    def count(self, views: str) -> int:
        """How many different views of a sample all epochs have."""
        return self.epochs if views == ALL else min(int(views), self.epochs)


ReportsByViews = dict[str, tuple[RunReport, ...]]


def over_views(
    comparison: ViewsComparison, *, seeds: int, minutes: float
) -> Iterator[ReportsByViews]:
    """After each seed the reports of all seeds so far, by number of views."""
    began = time.monotonic()
    for seed in range(1, seeds + 1):
        every = {}
        # `all` first: how the teachers are tuned depends on the number of answers.
        for views in sorted(comparison.views, key=lambda views: views != ALL):
            recipe = in_one_process(RECIPE, comparison.overrides(views))
            every[views] = stillhouse.run(recipe, home=comparison.home, repeats=seed).reports
        yield every
        if time.monotonic() - began > 60 * minutes:
            return


def lines(comparison: ViewsComparison, every: Mapping[str, Sequence[RunReport]]) -> Iterator[str]:
    """The table: accuracies in %, differences from ``all`` in points with their 95 % CI."""
    yield (
        f"{'views':>5s} {'validation %':>15s} {'test %':>15s} {'test - all, points':>24s} "
        f"{'answers':>9s} {'bytes':>9s}"
    )
    sizes = bytes_by_view(comparison.home)
    for views in comparison.views:
        reports = every[views]
        validation = [accuracy(report, "validation") for report in reports]
        test = [accuracy(report, "test") for report in reports]
        base = [accuracy(report, "test") for report in every.get(ALL, reports)]
        answers = comparison.count(views) * answers_of_a_view(reports[0], comparison)
        size = sum(sizes.get(view, 0) for view in range(comparison.count(views)))
        yield (
            f"{views:>5s} {format_percent(validation):>15s} "
            f"{format_percent(test):>15s} {difference(test, base) if views != ALL else '':>24s} "
            f"{answers:>9,d} {format_bytes(size):>9s}"
        )
    computed = sum(
        run.computed
        for reports in every.values()
        for report in reports
        for run in (report.teaching.teachers.values() if report.teaching else ())
    )
    yield f"computed for all numbers of views and all seeds: {computed:,} answers"


def accuracy(report: RunReport, part: str) -> float:
    """The student's accuracy after the last epoch."""
    assert report.student is not None
    scores = getattr(model := report.student, part)
    assert isinstance(model, ModelReport)
    assert scores is not None, f"there is no {part} part"
    return float(scores.accuracy)


def answers_of_a_view(report: RunReport, comparison: ViewsComparison) -> int:
    """The number of answers for one view: one of each teacher for each sample."""
    recipe = in_one_process(RECIPE, comparison.overrides(ALL)).recipe
    data = recipe.transfer_set
    assert isinstance(data.validation, float)
    return round(50_000 * (1 - data.validation) * data.fraction) * len(report.teachers)


def bytes_by_view(home: Path) -> dict[int, int]:
    """Bytes in the bank by view, of all teachers."""
    sizes: dict[int, int] = {}
    for shelf in shelves_of(home / "bank"):
        for each in views_on_disk(shelf):
            sizes[each.view] = sizes.get(each.view, 0) + each.bytes
    return sizes


def difference(first: Sequence[float], second: Sequence[float]) -> str:
    """The paired difference in points, with its 95 % CI."""
    gain = paired(first, second)
    if gain.low is None or gain.high is None:
        return f"{100 * gain.mean:+.2f}"
    return f"{100 * gain.mean:+.2f} ({100 * gain.low:+.2f} to {100 * gain.high:+.2f})"


def main() -> None:
    """Prints the table after each seed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("settings", nargs="*", metavar="a.b=value")
    parser.add_argument("--views", nargs="+", default=["1", "2", "4", "8", ALL])
    parser.add_argument("--fraction", type=float, default=0.1)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=35)
    parser.add_argument("--home", type=Path, default=Path(".stillhouse"))
    given = parser.parse_intermixed_args()
    comparison = ViewsComparison(
        root=given.root.expanduser().absolute(),
        views=tuple(given.views),
        epochs=given.epochs,
        settings=(f"transfer_set.fraction={given.fraction}", *given.settings),
        home=given.home.absolute(),
    )
    began = time.monotonic()
    for every in over_views(comparison, seeds=given.seeds, minutes=given.minutes):
        for line in lines(comparison, every):
            print(line)
        seeds = len(next(iter(every.values())))
        print(
            f"{seeds} seeds, {comparison.epochs} epochs, fraction {given.fraction:g}; "
            f"{time.monotonic() - began:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
