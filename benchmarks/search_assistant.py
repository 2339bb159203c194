"""Compares the assistant's size that a search finds with the one that ``path: auto`` takes.

    python -m benchmarks.search_assistant [--choices 5] [--seeds 20] [--home DIR]

Teachers and student are those of ``recipes/search_digits.yaml``, at its own values. Both choose
among the same sizes of an MLP: ``path: auto`` takes the assistant whose validation accuracy is
nearest the mean of the ensemble's and the untaught student's; a study trains the student by each of
them, and without one, and takes the student with the highest validation accuracy. Each chooses once
for every seed of assistants and students. Then students are trained by each size on fresh seeds,
each with an assistant of its own, and the choices are compared by what these have on the test part.
What is stored in ``--home`` is not computed again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean

import stillhouse
from benchmarks.schedule_comparison.holm import corrected, p_value
from benchmarks.search_digits import FIRST_SEED, seeded
from orchestrator.execution.stored_predictions import StoredPredictions
from orchestrator.recipe.loading import LoadedRecipe
from orchestrator.report.compare_seeds import paired, spread
from orchestrator.studies.objective import student_of
from students.specs import StageOutput
from students.storage.outcome import TEST

SIZES = (24, 32, 48, 64, 96, 128, 192)
"""Hidden units of the assistant; the student has 16, the largest teacher 256 twice."""
DIRECT = "none"


def _mlp(size: int) -> dict[str, object]:
    return {"kind": "mlp", "hidden": [size]}


SCHEDULES: Mapping[str, object] = {
    DIRECT: "offline",
    **{str(size): {"kind": "assistants", "path": [_mlp(size)]} for size in SIZES},
}
"""What is compared: direct teaching, and one assistant of each size."""
AUTO = {"kind": "assistants", "path": "auto", "candidates": [_mlp(size) for size in SIZES]}


def recipe_of(seed: int, name: str, **sections: object) -> LoadedRecipe:
    """The recipe with other ``sections``, with a seed of assistants and student."""
    overrides = [f"{place}={json.dumps(section)}" for place, section in sections.items()]
    return seeded(f"{name}_{seed}", seed, seed, "controls=[]", *overrides)


def taken_by_auto(seed: int, session: stillhouse.Session) -> str:
    """The size that ``path: auto`` takes."""
    report = stillhouse.run(recipe_of(seed, "auto", schedule=AUTO), session=session).report
    assert report.choice is not None
    return str(SIZES[int(report.choice.chosen) - 1])


def found_by_search(seed: int, session: stillhouse.Session) -> str:
    """The size of the student that a study over all of them finds, or that it has none."""
    search = {
        "trials": len(SCHEDULES),
        "parallel": 2,
        "sampler": "brute_force",
        "repeats": 0,
        "space": {"schedule": {"choice": SCHEDULES}},
    }
    report = stillhouse.search(recipe_of(seed, "sizes", search=search), session=session)
    [winner] = report.winners
    return str(report.trial(winner.trial).params["schedule"])


def test_accuracies(seed: int, session: stillhouse.Session) -> dict[str, float]:
    """The test accuracy of the student by each schedule, in %."""
    graphs = {
        name: stillhouse.plan(recipe_of(seed, "fresh", schedule=schedule), session)
        for name, schedule in SCHEDULES.items()
    }
    futures = {name: session.submit(graph) for name, graph in graphs.items()}
    found = {}
    for name, future in futures.items():
        student = student_of(future.result())
        [outcome] = student.outcomes
        data = session.transfer_set(graphs[name].data)
        output = StageOutput(student.stage.digest, outcome)
        found[name] = 100 * StoredPredictions(session.store, data).accuracy(output, TEST)
    return found


def lines(
    auto: Sequence[str], search: Sequence[str], tests: Sequence[Mapping[str, float]]
) -> Iterator[str]:
    """The tables. A way to choose has, on each fresh seed, the mean accuracy of the sizes that it
    has chosen."""
    by_size = {name: [each[name] for each in tests] for name in SCHEDULES}
    yield f"{'assistant, hidden units':32s}{'test accuracy, %':>18s}{'auto':>6s}{'search':>8s}"
    for name, values in by_size.items():
        whole = spread(values)
        yield (
            f"{name:32s}{f'{whole.mean:.2f} ± {whole.deviation or 0:.2f}':>18s}"
            f"{auto.count(name):>6d}{search.count(name):>8d}"
        )
    yield f"chosen, choice by choice: auto {', '.join(auto)}; search {', '.join(search)}"
    best = max(map(str, SIZES), key=lambda name: fmean(by_size[name]))
    hindsight = f"best size in hindsight ({best})"
    ways = {
        "auto": [fmean(each[name] for name in auto) for each in tests],
        "search": [fmean(each[name] for name in search) for each in tests],
        hindsight: by_size[best],
        "direct": by_size[DIRECT],
    }
    for name, values in ways.items():
        yield f"{name}: {fmean(values):.2f} %"
    pairs = [("search", "auto"), ("auto", "direct"), ("search", "direct")]
    gains = [paired(ways[one], ways[other]) for one, other in pairs]
    p_values = corrected([p_value(gain) for gain in gains])
    for (one, other), gain, p in zip(pairs, gains, p_values, strict=True):
        yield (
            f"{one} - {other}: {gain.mean:+.2f} points (95 % CI {gain.low:+.2f} to "
            f"{gain.high:+.2f}), better on {gain.wins} of {gain.count} seeds; p by Holm {p:.3f}"
        )
    yield "these favour the size in hindsight, which was chosen by the same figures, uncorrected:"
    for name in ("auto", "search", "direct"):
        gain = paired(by_size[best], ways[name])
        yield (
            f"{hindsight} - {name}: {gain.mean:+.2f} points (95 % CI {gain.low:+.2f} to "
            f"{gain.high:+.2f})"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Chooses, trains, and prints the comparison."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--choices", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--home", type=Path)
    options = parser.parse_args(arguments)
    if options.seeds < 2:
        parser.error("--seeds must be at least 2: differences are paired over them")
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as work:
        home = (options.home or Path(work)).absolute()
        cluster = recipe_of(0, "cluster").recipe.cluster
        with stillhouse.Session(home, cluster) as session:
            session.store.prepare()
            chosen = range(1, options.choices + 1)
            auto = [taken_by_auto(seed, session) for seed in chosen]
            search = [found_by_search(seed, session) for seed in chosen]
            fresh = range(FIRST_SEED, FIRST_SEED + options.seeds)
            tests = [test_accuracies(seed, session) for seed in fresh]
    for line in lines(auto, search, tests):
        print(line)
    print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
