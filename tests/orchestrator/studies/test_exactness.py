"""A study that was interrupted, or whose home was not empty, has the history of an undisturbed
one."""

from __future__ import annotations

import json
import random
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from orchestrator.planning.trials import trial_recipe
from orchestrator.recipe.loading import load_recipe
from orchestrator.results.study_report import read_study
from tests.faults import fault, planned
from tests.orchestrator.command_line import stillhouse
from tests.orchestrator.studies import tiny
from tests.running import Command, copy_of, run_stages

pytestmark = pytest.mark.slow

PARETO = {"accuracy": "maximize", "parameters": "minimize"}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study that was run once, with a pruner."""
    folder = tmp_path_factory.mktemp("undisturbed")
    tiny.run(folder, pruned())
    return folder


def pruned(**search: Any) -> dict[str, Any]:
    return tiny.recipe(pruner={"kind": "dominated", "by": 1}, scores=PARETO, trials=8, **search)


def test_interrupted_at_three_steps_it_goes_on_with_the_same_trials(
    tmp_path: Path, undisturbed: Path
) -> None:
    # In the first, in the second and in the last epoch of whichever trial comes there first.
    for step in (1, 7, 10):
        interrupt = fault("student", step, "interrupt")
        with planned(tmp_path, interrupt), pytest.raises(KeyboardInterrupt):
            tiny.run(tmp_path, pruned())
    report = tiny.run(tmp_path, pruned())
    assert tiny.history(tmp_path) == tiny.history(undisturbed)
    assert [trial.number for trial in report.trials] == list(range(8))
    whole = read_study(undisturbed / "home/studies/tiny")
    assert report.shared.stages_reused == whole.shared.stages_reused
    runs, points = tracked(tmp_path)
    assert runs == tracked(undisturbed)[0] == ["tiny", *(f"trial {n}" for n in range(8))]
    assert len(points) == len(set(points)), "no metric was sent twice"


def tracked(folder: Path) -> tuple[list[str], list[Any]]:
    """The names of all runs in MLflow, and run, key and step of each metric."""
    with closing(sqlite3.connect(folder / "home" / "mlflow.db")) as database:
        runs = database.execute("SELECT name FROM runs ORDER BY name").fetchall()
        points = database.execute("SELECT run_uuid, key, step FROM metrics").fetchall()
    return [name for (name,) in runs], points


def test_some_trials_were_pruned(undisturbed: Path) -> None:
    states = {state for *_, state in tiny.history(undisturbed)}
    assert states == {"COMPLETE", "PRUNED"}


def test_in_a_home_that_has_all_stages_it_is_the_same(tmp_path: Path, undisturbed: Path) -> None:
    """Also where students are stored whole that are pruned: they end at the same epoch."""
    loaded = load_recipe(tiny.written(tmp_path, pruned()))
    for trial in tiny.stored(undisturbed):
        recipe = trial_recipe(loaded, trial.user_attrs["overrides"], tiny.numbers(undisturbed))
        run_stages(recipe, tmp_path / "home")
    report = tiny.run(tmp_path, pruned())
    assert tiny.history(tmp_path) == tiny.history(undisturbed)
    assert report.shared.teacher_forwards_computed == 0


def test_a_longer_study_begins_with_the_shorter_one(tmp_path: Path, undisturbed: Path) -> None:
    tiny.run(tmp_path, pruned() | {"search": {**pruned()["search"], "trials": 5}})
    tiny.run(tmp_path, pruned())
    assert tiny.history(tmp_path) == tiny.history(undisturbed)


def test_trials_have_numbers_for_every_auto_whatever_runs_beside(
    tmp_path: Path, undisturbed: Path
) -> None:
    for trial in json.loads((undisturbed / "home/studies/tiny/study.json").read_text())["trials"]:
        assert set(trial["overrides"]) == set(tiny.SPACE)
    recipe = (undisturbed / "home/studies/tiny/best.yaml").read_text()
    assert "auto" not in recipe


@pytest.mark.parametrize("filled", [False, True])
def test_killed_three_times_at_random_it_is_the_same(
    tmp_path: Path, undisturbed: Path, filled: bool
) -> None:
    if filled:
        copy_of(undisturbed / "home", tmp_path, without=["study.db", "studies"])
    draws, killed = random.Random(int(filled)), 0
    tiny.written(tmp_path, pruned())
    arguments = ("--home", str(tmp_path / "home"), "search", "recipe.yaml")
    while killed < 3:
        with Command(*arguments, folder=tmp_path) as command:
            begun = tmp_path / "home" / "study.db"
            command.waits_for(begun.exists, 60)
            time.sleep(draws.uniform(0.0, 2.0))
            if command.process.poll() is not None:
                break
            command.process.kill()
            killed += 1
    assert killed == 3, "it was done too soon"
    with Command(*arguments, folder=tmp_path) as command:
        assert command.ends(120) == 0, command.said()
    assert tiny.history(tmp_path) == tiny.history(undisturbed)


def test_interrupted_it_gives_the_trials_that_were_finished(tmp_path: Path) -> None:
    file = tiny.written(tmp_path, tiny.recipe(trials=4))
    whole = stillhouse(tmp_path / "home", "search", str(file), "search.trials=2", "--json")
    assert json.loads(whole.stdout)["outcome"] == "done"
    with planned(tmp_path, fault("student", 1, "interrupt")):
        result = stillhouse(tmp_path / "home", "search", str(file), "--json")
    printed = json.loads(result.stdout)
    assert result.exit_code == 130
    assert (printed["name"], printed["study"], printed["outcome"]) == (
        "tiny",
        "tiny",
        "interrupted",
    )
    numbers = [trial["number"] for trial in printed["trials"]]
    assert numbers in ([0, 1], [0, 1, 2])
    listed = json.loads(stillhouse(tmp_path / "home", "list", "--studies", "--json").stdout)
    [study] = listed["studies"]
    assert (study["outcome"], study["asked"]) == ("interrupted", 4)
    assert study["trials"] == len(numbers)
