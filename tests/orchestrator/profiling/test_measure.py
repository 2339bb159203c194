"""Claims about ``check --measure``: what it measures, prints and stores."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import create_autospec

import pytest
import torch

from cluster.ray.local_runtime import LocalRuntime
from orchestrator.deep_check.deep_check import checked_plan
from orchestrator.errors import RecipeProblems
from orchestrator.home.store import Store
from orchestrator.profiling.measure import measure
from orchestrator.profiling.measured_plan import MeasuredPlan
from orchestrator.profiling.measured_table import grids, sentences
from orchestrator.results.teaching_report import MEASURED, read_prediction
from tests import running, small
from tests.orchestrator.command_line import stillhouse

QUICK = 0.01


def measured_recipe(
    folder: Path, *overrides: str, home: Path | None = None, say: Callable[[str], None] = str
) -> MeasuredPlan:
    """The small recipe, measured as briefly as can be."""
    loaded, store = small.loaded(folder, *overrides), Store(home or folder / "home")
    store.prepare()
    plan = checked_plan(loaded, store)
    return measure(*plan, store, loaded.recipe.cluster, say=say, seconds=QUICK)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[MeasuredPlan, list[str], Path]:
    """The small recipe, of which nothing is stored, measured as briefly as can be."""
    folder = tmp_path_factory.mktemp("measured")
    lines: list[str] = []
    found = measured_recipe(folder, *running.IN_PROCESS, say=lines.append)
    return found, lines, folder


def test_it_runs_every_stage_and_times_every_teacher(measured) -> None:
    found, lines, _ = measured
    assert set(found.teachers) == {"wide", "deep"}
    assert all(each.rate > 0 and each.training_rate for each in found.teachers.values())
    assert min(found.speeds.untaught, found.speeds.computed, found.speeds.read) > 0
    assert lines == [
        "running teachers.wide",
        "running teachers.deep",
        "timing teacher 'wide'",
        "timing teacher 'deep'",
        "running student",
        "running student with stored answers",
        "running controls.untaught",
    ]


def test_it_estimates_every_stage_that_is_not_stored(measured) -> None:
    found, _, _ = measured
    names = [stage.name for stage in found.stages]
    assert names == ["teachers.wide", "teachers.deep", "student", "controls.untaught"]
    assert all(stage.test_seconds > 0 for stage in found.stages)
    each = sum(stage.seconds + stage.test_seconds for stage in found.stages)
    assert found.seconds >= each, "one at a time"
    assert found.bank is not None
    assert found.bank.fits


def test_a_measurement_goes_to_json_and_back(measured) -> None:
    found, _, folder = measured
    plan = small.planned(folder, *running.IN_PROCESS)
    place = folder / "home" / "runs" / plan.run_name
    assert found.recipe_digest == plan.digest
    predicted = read_prediction(place, plan.stage("student").digest)
    assert predicted is not None
    assert predicted.seconds == found.seconds
    stored = json.loads((place / MEASURED).read_text())
    assert set(stored["of_untaught"]) == {"computed", "read"}


def test_it_leaves_nothing_else_behind(measured) -> None:
    _, _, folder = measured
    assert list((folder / "home" / "cache" / "measuring").iterdir()) == []
    assert list((folder / "home" / "stages").iterdir()) == []
    assert not (folder / "home" / "bank").exists()


def test_a_budget_that_is_too_small_is_reported_with_the_remedy(measured) -> None:
    found, _, _ = measured
    small_bank = replace(found.bank, budget=1)
    text = " ".join(sentences(replace(found, bank=small_bank)))
    assert "more than its budget of 1 bytes" in text
    assert "`ensemble.bank.budget_gb`" in text


def test_tables_show_the_share_of_the_untaught_student(measured) -> None:
    found, _, _ = measured
    titles = [grid.title for grid in grids(found)]
    assert titles[0].startswith("Teachers")
    rows = {row[0]: row[-1] for row in list(grids(found))[1].rows}
    assert rows["untaught"] == "100 %"
    assert len(rows) == 3


def test_finished_teachers_are_used_as_they_are_and_only_what_is_left_is_estimated(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    done = running.undisturbed(tmp_path_factory)
    home = done.copied(tmp_path, without=["student"])
    before = contents(home / "stages")
    overrides = (*running.IN_PROCESS, running.EACH_STEP)
    found = measured_recipe(tmp_path, *overrides, home=home)
    (student,) = found.stages
    assert student.name == "student"
    # Answers of `deep` are in the bank; those of `wide` are asked for with a layer, not kept there.
    assert student.asked == student.read == 3 * 256
    assert not any(each.training_rate for each in found.teachers.values())
    assert not any("untrained weights" in each for each in found.assumed)
    assert contents(home / "stages") == before, "the home's stages are left alone"


def contents(folder: Path) -> dict[Path, bytes]:
    """All files below the folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder): path.read_bytes() for path in files}


def test_without_a_bank_all_answers_are_computed(tmp_path: Path) -> None:
    found = measured_recipe(tmp_path, *running.IN_PROCESS, "ensemble.bank=none", "controls=[]")
    assert found.bank is None
    assert found.speeds.read is None
    assert set(found.of_untaught) == {"computed"}
    assert [stage.read for stage in found.stages] == [0, 0, 0]


def test_a_gpu_that_is_not_here_is_a_problem(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(RecipeProblems, match=r"`teachers.wide.resources.gpus` is 1, but this"):
        measured_recipe(tmp_path, "teachers.wide.resources.gpus=1")


def test_the_command_prints_one_object_and_its_progress_on_standard_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.profiling.measure.measure", partial(measure, seconds=QUICK))
    command = ("check", str(small.written(tmp_path)), *running.IN_PROCESS, "--measure")
    result = stillhouse(tmp_path / "home", *command, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["outcome"] == "done"
    assert found["of_untaught"]["read"] == found["speeds"]["read"] / found["speeds"]["untaught"]
    assert "running controls.untaught ...\n" in result.stderr
    printed = stillhouse(tmp_path / "home", *command, "--repeat", "2")
    assert "student#2" in printed.stdout
    assert "The whole run should take about" in printed.stdout


@pytest.mark.slow
def test_a_stage_in_a_process_of_its_own_is_measured_with_its_start(
    tmp_path: Path, local_runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = create_autospec(LocalRuntime, instance=True, parallel=True)
    for method in ("reserve", "release", "start", "retire"):
        setattr(shared, method, getattr(local_runtime, method))
    monkeypatch.setattr("orchestrator.execution.session.build_runtime", lambda *_, **__: shared)
    alone = ("teachers={}", "student.objective={task: 1.0}", "student.engine.kind=torch")
    found = measured_recipe(tmp_path, *alone, "controls=[]")
    (student,) = found.stages
    assert student.seconds > 0.0
    assert found.of_untaught == found.teachers == {}
    assert any("side by side" in each for each in found.assumed)
    shared.close.assert_called_once_with()


def test_repeats_are_measured_or_not_asked_for(tmp_path: Path) -> None:
    recipe = small.written(tmp_path)
    result = stillhouse(tmp_path / "home", "check", str(recipe), "--repeat", "2")
    assert result.exit_code == 2
    assert "--repeat has no effect without --measure" in result.stderr
