"""Claims about ``check --measure``: what it tells, and where it is kept."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from orchestrator.errors import RecipeProblems
from orchestrator.profiling.measure import measure
from orchestrator.profiling.measured_plan import FILE, MeasuredPlan, kept
from orchestrator.profiling.measured_table import grids, sentences
from tests import running, small
from tests.orchestrator.command_line import stillhouse

QUICK = 0.01


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[MeasuredPlan, list[str], Path]:
    """The small recipe, of which nothing is stored, measured as briefly as can be."""
    folder = tmp_path_factory.mktemp("measured")
    said: list[str] = []
    found = measure(small.loaded(folder), home=folder / "home", say=said.append, turn_seconds=QUICK)
    return found, said, folder


def test_it_times_every_role_and_says_which(measured) -> None:
    found, said, _ = measured
    assert set(found.teachers) == {"wide", "deep"}
    assert all(each.fresh and each.training_rate for each in found.teachers.values())
    assert found.speeds is not None
    assert min(found.speeds.live, found.speeds.filling, found.speeds.filled) > 0
    assert len(said) == 7, said


def test_it_foretells_every_stage_that_is_not_stored(measured) -> None:
    found, _, _ = measured
    names = [stage.name for stage in found.stages]
    assert names == ["teachers.wide", "teachers.deep", "student", "controls.untaught"]
    assert 0 < found.seconds <= sum(stage.seconds for stage in found.stages)
    assert found.bank is not None
    assert found.bank.fits


def test_a_stage_begins_with_the_start_of_a_process(measured) -> None:
    found, _, _ = measured
    (told,) = [each for each in found.assumed if "a fresh process imported here" in each]
    start = float(told.removeprefix("Each stage is taken to begin with ").split(" s,")[0])
    assert start > 0.5, "torch alone takes longer"
    assert all(stage.seconds > start - 0.05 for stage in found.stages)


def test_what_was_measured_goes_to_json_and_comes_back(measured) -> None:
    found, _, folder = measured
    plan = small.planned(folder)
    place = folder / "home" / "runs" / plan.run_name
    assert found.recipe_digest == plan.digest
    assert kept(place) == found
    told = json.loads((place / FILE).read_text())
    assert set(told["of_untaught"]) == {"live", "filling", "filled"}


def test_it_leaves_nothing_else_behind(measured) -> None:
    _, _, folder = measured
    assert list((folder / "home" / "cache" / "measuring").iterdir()) == []
    assert list((folder / "home" / "stages").iterdir()) == []


def test_a_small_budget_is_told_with_the_remedy(measured) -> None:
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
    assert len(rows) == 4


def test_finished_teachers_are_timed_as_they_are_and_only_what_is_left_is_foretold(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    done = running.undisturbed(tmp_path_factory)
    home = done.copied(tmp_path, without=["student"])
    overrides = (*running.IN_PROCESS, running.EACH_STEP)
    found = measure(
        small.loaded(tmp_path, *overrides), home=home, say=lambda _: None, turn_seconds=QUICK
    )
    assert [stage.name for stage in found.stages] == ["student"]
    assert not any(each.fresh or each.training_rate for each in found.teachers.values())
    assert not any("fresh process" in each for each in found.assumed), "all is in this one"


def test_a_gpu_that_is_not_here_is_a_problem(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(RecipeProblems, match=r"`teachers.wide.resources.gpus` is 1, but this"):
        measure(
            small.loaded(tmp_path, "teachers.wide.resources.gpus=1"),
            home=tmp_path / "home",
            say=lambda _: None,
        )


def test_the_command_prints_one_object_and_tells_what_it_times_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "orchestrator.profiling.measure.measure", partial(measure, turn_seconds=QUICK)
    )
    recipe = small.written(tmp_path)
    result = stillhouse(tmp_path / "home", "check", str(recipe), "--measure", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["outcome"] == "done"
    assert told["of_untaught"]["live"] == told["speeds"]["live"] / told["speeds"]["untaught"]
    assert "timing the bank's disk ...\n" in result.stderr
    printed = stillhouse(tmp_path / "home", "check", str(recipe), "--measure", "--repeat", "2")
    assert "student#2" in printed.stdout
    assert "The whole run should take about" in printed.stdout


def test_repeats_are_measured_or_not_asked_for(tmp_path: Path) -> None:
    recipe = small.written(tmp_path)
    result = stillhouse(tmp_path / "home", "check", str(recipe), "--repeat", "2")
    assert result.exit_code == 2
    assert "--repeat has no effect without --measure" in result.stderr
