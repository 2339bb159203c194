"""Compares TPE with random search at the same budget, over several studies.

    python -m benchmarks.search_samplers [--studies 5] [--samplers tpe random "tpe, 5 at random"]
        [--home DIR]

Teachers, space, limits, trials and repeats are those of ``recipes/search_digits.yaml``, with one
score, the accuracy. Each study has its own seeds of draws, students and assistants; both samplers
of a study have the same ones. All studies have the same teachers and the same split of the data,
which is checked. TPE draws its first 10 trials at random: those are random search's, trial by
trial, so only the other 10 can differ. What is stored in ``--home`` is not computed again.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from statistics import fmean

import stillhouse
from benchmarks.schedule_comparison.holm import corrected, p_value
from benchmarks.search_digits import seeded
from orchestrator.planning.stage import StageRole
from orchestrator.recipe.loading import LoadedRecipe
from orchestrator.report.compare_seeds import paired, spread
from orchestrator.results.study_report import COMPLETE, StudyReport

RANDOM = "random"
SAMPLERS = {
    "tpe": "tpe",
    RANDOM: "random",
    "tpe, 5 at random": "{kind: tpe, startup_trials: 5}",
}
SEEDS_APART = 100
"""Between the students' first seeds of two studies, which is more than a study trains on."""
AFTER = (5, 10, 15, 20)
MEASURES = ("best validation, trials' seed", "its validation, fresh seeds", "its test, fresh seeds")


@dataclass(frozen=True)
class Found:
    """What a study has found: its best validation accuracy after each trial, and the winner's mean
    accuracies over fresh seeds."""

    curve: tuple[float, ...]
    validation: float
    test: float

    @property
    def measures(self) -> Mapping[str, float]:
        """The figures that are compared, by name."""
        return dict(zip(MEASURES, (self.curve[-1], self.validation, self.test), strict=True))


def recipe_of(sampler: str, seed: int) -> LoadedRecipe:
    """The recipe of one study."""
    name = "".join(letter if letter.isalnum() else "_" for letter in sampler)
    section = f"search.sampler={SAMPLERS[sampler]}", "search.scores={accuracy: maximize}"
    return seeded(f"{name}_{seed}", seed, SEEDS_APART * seed, *section)


def teachers_of(loaded: LoadedRecipe, session: stillhouse.Session) -> frozenset[str]:
    """The digests of the stages that train the teachers, which name data and split too."""
    stages = stillhouse.plan(loaded, session).stages
    return frozenset(stage.digest for stage in stages if stage.role is StageRole.TEACHER)


def found_by(report: StudyReport) -> Found:
    """The figures of a finished study."""
    kept = [each.state == COMPLETE and report.keeps(each) for each in report.trials]
    scores = [
        each.scores["accuracy"] if counts else 0.0
        for each, counts in zip(report.trials, kept, strict=True)
    ]
    [winner] = report.winners
    return Found(
        curve=tuple(accumulate(scores, max)),
        validation=winner.repeats["accuracy"].mean,
        test=winner.test_repeats["accuracy"].mean,
    )


def lines(found: Mapping[str, Sequence[Found]]) -> Iterator[str]:
    """The tables, in %; the samplers' studies are paired by their seeds."""
    yield "best validation accuracy so far, mean over the studies"
    yield f"{'trials':30s}" + "".join(f"{count:>16d}" for count in AFTER)
    for name, studies in found.items():
        means = [100 * fmean(each.curve[count - 1] for each in studies) for count in AFTER]
        yield f"{name:30s}" + "".join(f"{mean:16.2f}" for mean in means)
    for measure in MEASURES:
        yield measure
        for name, studies in found.items():
            values = [100 * each.measures[measure] for each in studies]
            whole = spread(values)
            yield (
                f"    {name:26s}{whole.mean:.2f} ± {whole.deviation or 0:.2f}   "
                f"({', '.join(f'{value:.2f}' for value in values)})"
            )
    yield "minus random, points"
    gains = {
        (name, measure): paired(
            [100 * each.measures[measure] for each in studies],
            [100 * each.measures[measure] for each in found[RANDOM]],
        )
        for name, studies in found.items()
        for measure in MEASURES
        if name != RANDOM
    }
    p_values = corrected([p_value(gain) for gain in gains.values()])
    for ((name, measure), gain), p in zip(gains.items(), p_values, strict=True):
        yield (
            f"    {name}, {measure}: {gain.mean:+.2f} (95 % CI {gain.low:+.2f} to {gain.high:+.2f})"
            f", better in {gain.wins} of {gain.count}, equal in {gain.ties}; p by Holm {p:.2f}"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the studies and prints the comparison."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--studies", type=int, default=5)
    parser.add_argument("--samplers", nargs="+", choices=SAMPLERS, default=["tpe", RANDOM])
    parser.add_argument("--home", type=Path)
    options = parser.parse_args(arguments)
    if options.studies < 2:
        parser.error("--studies must be at least 2: differences are paired over them")
    if RANDOM not in options.samplers:
        parser.error(f"--samplers must name '{RANDOM}': the others are compared with it")
    found: dict[str, list[Found]] = {name: [] for name in options.samplers}
    seconds, teachers = 0.0, set[frozenset[str]]()
    with tempfile.TemporaryDirectory() as work:
        home = (options.home or Path(work)).absolute()
        cluster = recipe_of(RANDOM, 1).recipe.cluster
        with stillhouse.Session(home, cluster) as session:
            session.store.prepare()
            for seed in range(1, options.studies + 1):
                for name, studies in found.items():
                    loaded = recipe_of(name, seed)
                    teachers.add(teachers_of(loaded, session))
                    assert len(teachers) == 1, "all studies have the same teachers"
                    report = stillhouse.search(loaded, session=session)
                    studies.append(found_by(report))
                    seconds += report.seconds
    for line in lines(found):
        print(line)
    print(f"{options.studies} studies by each, in {seconds:.0f} s together")


if __name__ == "__main__":
    main()
