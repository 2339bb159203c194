"""Trains the student of one recipe with several seeds, and prints mean accuracies and the gain.

    python -m benchmarks.seeds RECIPE [--seeds 10] [--home DIR] [student.train.epochs=5 ...]

All runs are in this process on the torch engine, which gives the same bits as Ray and DeepSpeed
without their start-up time. Teachers are trained once, whatever the number of seeds; what is stored
in ``--home`` is not computed again, and an interrupted run resumes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import stillhouse
from orchestrator.recipe.loading import LoadedRecipe
from orchestrator.report.compare_seeds import repeat_report, spread
from orchestrator.report.render_summary import repeats_sentence
from orchestrator.results.run_report import ModelReport, PartScores, RunReport

HOME = Path(".stillhouse")


def in_one_process(path: Path, overrides: Sequence[str]) -> LoadedRecipe:
    """The recipe at ``path`` in this process, with every model that is trained on torch."""
    recipe = stillhouse.load_recipe(path, overrides).recipe
    trained = [name for name, teacher in recipe.teachers.items() if teacher.train is not None]
    places = ["student", *(f"teachers.{name}" for name in trained)]
    engines = [f"{place}.engine.kind=torch" for place in places]
    return stillhouse.load_recipe(path, [*overrides, "cluster.mode=in_process", *engines])


def over_seeds(
    path: Path, overrides: Sequence[str], *, seeds: int, home: Path
) -> tuple[RunReport, ...]:
    """One report for each seed of the student."""
    recipe = in_one_process(path, overrides)
    return stillhouse.run(recipe, home=home, repeats=seeds).reports


def lines(reports: Sequence[RunReport]) -> Iterator[str]:
    """The table: accuracies in %, with their standard deviation over the seeds."""
    yield f"{'model':12s} {'validation %':>16s} {'test %':>16s}"
    for name, models in _columns(reports).items():
        parts = [_accuracies(models, part) for part in ("validation", "test")]
        yield f"{name:12s} " + " ".join(f"{format_percent(values):>16s}" for values in parts)
    yield from _of_omitted_classes(reports)
    yield repeats_sentence(repeat_report(reports))


def _columns(reports: Sequence[RunReport]) -> dict[str, list[ModelReport]]:
    """Each model of the run, with its report of every seed."""
    names = [model.name for model in reports[0].models()]
    return {
        name: [model for report in reports for model in report.models() if model.name == name]
        for name in names
    }


def _accuracies(models: Sequence[ModelReport], part: str) -> list[float]:
    scores: list[PartScores | None] = [getattr(model, part) for model in models]
    return [each.accuracy for each in scores if each is not None]


def _of_omitted_classes(reports: Sequence[RunReport]) -> Iterator[str]:
    """Test accuracy of the student and the untaught one on classes that they were never shown."""
    for name in ("student", "untaught"):
        models = [model for model in (getattr(report, name) for report in reports) if model]
        for index in reports[0].omitted:
            for part, words in (("test", ""), ("corrected", " after prior correction")):
                if shares := _class_shares(models, part, index):
                    yield f"{name}, class {index}{words}: test accuracy {format_percent(shares)} %"
        if after := _accuracies(models, "corrected"):
            yield f"{name} after prior correction: test accuracy {format_percent(after)} %"


def _class_shares(models: Sequence[ModelReport], part: str, index: int) -> list[float]:
    """Each model's test accuracy on one class."""
    scores: list[PartScores | None] = [getattr(model, part) for model in models]
    shares = [each.per_class[index] for each in scores if each is not None and each.per_class]
    return [share for share in shares if share is not None]


def format_percent(shares: Sequence[float]) -> str:
    """Mean and standard deviation in %; a dash for none."""
    if not shares:
        return "-"
    found = spread(shares)
    if found.deviation is None:
        return f"{100 * found.mean:.2f}"
    return f"{100 * found.mean:.2f} ± {100 * found.deviation:.2f}"


def main() -> None:
    """Prints the figures of one recipe."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("overrides", nargs="*", metavar="a.b=value")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--home", type=Path, default=HOME)
    options = parser.parse_intermixed_args()
    began = time.monotonic()
    reports = over_seeds(options.recipe, options.overrides, seeds=options.seeds, home=options.home)
    for line in lines(reports):
        print(line)
    print(f"{options.seeds} seeds of {options.recipe} in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
