"""Searches a student for the demo's teachers, and compares it with the demo's on fresh seeds.

    python -m benchmarks.search_digits [--seeds 20] [--home DIR]

Runs ``recipes/search_digits.yaml``. Of the winners with no more parameters than the demo's student
it takes the one with the highest mean validation accuracy over the study's fresh seeds, trains it
and the demo's student with as many seeds that neither has seen, and prints the difference of their
test accuracies with its paired interval.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import stillhouse
from benchmarks.seeds import in_one_process
from orchestrator.recipe.loading import LoadedRecipe
from orchestrator.report.compare_seeds import paired, spread
from orchestrator.results.study_report import StudyReport, Winner

RECIPES = Path(__file__).parents[1] / "recipes"
RECIPE = RECIPES / "search_digits.yaml"
FIRST_SEED = 1000
"""Far from those of the study."""


def seeded(name: str, seed: int, student_seed: int, *overrides: str) -> LoadedRecipe:
    """The recipe, in this process. What draws at random follows from the seeds, but not the
    teachers."""
    teachers = stillhouse.load_recipe(RECIPE).recipe.teachers
    seeds = [f"seed={seed}", f"student.train.seed={student_seed}"]
    seeds += [f"teachers.{each}.train.seed=0" for each in teachers]
    return in_one_process(RECIPE, [f"name={name}", *seeds, *overrides])


def accuracies(recipe: Path, seeds: int, session: stillhouse.Session) -> list[float]:
    """The student's test accuracies with so many fresh seeds."""
    settings = ("controls=[]", f"student.train.seed={FIRST_SEED}")
    loaded = stillhouse.load_recipe(recipe, settings)
    reports = stillhouse.run(loaded, repeats=seeds, session=session).reports
    return [each.student.test.accuracy for each in reports if each.student is not None]


def best_of(report: StudyReport, parameters: int) -> Winner:
    """The winner of at most so many parameters that is best on fresh seeds' validation part."""
    small = [each for each in report.winners if each.scores["parameters"] <= parameters]
    return max(small, key=lambda each: each.repeats["accuracy"].mean)


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the study's seconds and the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--home", type=Path)
    options = parser.parse_args(arguments)
    if options.seeds < 2:
        parser.error("--seeds must be at least 2: differences are paired over them")
    study = stillhouse.load_recipe(RECIPE)
    with tempfile.TemporaryDirectory() as work:
        home = (options.home or Path(work)).absolute()
        with stillhouse.Session(home, study.recipe.cluster) as session:
            report = stillhouse.search(study, session=session)
            demo = stillhouse.load_recipe(RECIPES / "digits.yaml", ["controls=[]"])
            student = stillhouse.run(demo, session=session).report.student
            assert student is not None
            chosen = best_of(report, student.parameters)
            found = accuracies(Path(chosen.recipe), options.seeds, session)
            before = accuracies(RECIPES / "digits.yaml", options.seeds, session)
    difference = paired(found, before)
    print(f"study: {len(report.trials)} trials, {report.seconds:.0f} s")
    for name, values, size in (
        (f"trial {chosen.trial}", found, chosen.scores["parameters"]),
        ("the demo's", before, student.parameters),
    ):
        print(f"{name}: {size:,.0f} parameters, test accuracy {spread(values).mean:.2%}")
    assert difference.low is not None and difference.high is not None
    print(
        f"difference {100 * difference.mean:+.2f} points, 95 % CI {100 * difference.low:+.2f} to "
        f"{100 * difference.high:+.2f}, better with {difference.wins} of {difference.count} seeds"
    )


if __name__ == "__main__":
    main()
