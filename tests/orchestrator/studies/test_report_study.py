"""What a study gives back: winners on fresh seeds, references, what was shared, its files."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import optuna
import pytest

import stillhouse
from orchestrator.planning.trials import read_search
from orchestrator.results.study_report import read_study, recipe_file
from orchestrator.studies.report_study import StudyReporting
from orchestrator.studies.study import Study
from search.config import LEARNED
from search.errors import StudyExists
from search.study import StoredStudy, close_storage, open_storage
from search.trials import StudySpec
from tests.orchestrator.command_line import stillhouse as command
from tests.orchestrator.studies.conftest import SmallStudy


def test_trial_0_has_the_recipes_own_values_and_all_have_scores(done: SmallStudy) -> None:
    report = done.report
    assert (report.outcome, len(report.trials), report.asked) == ("done", 5, 5)
    assert report.trials[0].overrides["student.model.hidden"] == [16]
    for trial in report.trials:
        assert {"accuracy", "nll", "parameters", "macs", "bytes"} <= trial.scores.keys()


def test_winners_are_trained_on_fresh_seeds_and_only_then_tested(done: SmallStudy) -> None:
    report = done.report
    assert sorted(winner.trial for winner in report.winners) == list(report.front)
    accuracies = [winner.scores["accuracy"] for winner in report.winners]
    assert accuracies == sorted(accuracies, reverse=True)
    best, first = (
        done.folder / name for name in ("best.yaml", recipe_file(report.winners[0].trial))
    )
    assert best.read_bytes() == first.read_bytes()
    for winner in report.winners:
        assert winner.scores == report.trial(winner.trial).scores
        for scores in (winner.repeats, winner.test_repeats):
            assert scores.keys() == set(LEARNED)
            values = scores["accuracy"].values
            assert len(values) == 2
            assert scores["accuracy"].mean == pytest.approx(sum(values) / 2)
        assert Path(winner.recipe).exists()


def test_references_are_the_teachers_the_ensemble_and_the_untaught(done: SmallStudy) -> None:
    references = done.report.references
    assert list(references) == ["wide", "deep", "ensemble", "untaught"]
    own = done.report.trials[0]
    assert references["untaught"].parameters == own.scores["parameters"]


def test_trials_share_teachers_and_their_answers(done: SmallStudy) -> None:
    shared = done.report.shared
    # Two teachers in five trials are trained once.
    assert shared.stages_reused == 8
    assert 0 < shared.teacher_forwards_computed < shared.teacher_forwards_read


def test_page_figures_and_recipes_lie_in_the_studys_folder(done: SmallStudy) -> None:
    files = {"study.md", "study.json", "best.yaml", "front.png", "parallel_coordinates.png"}
    assert files <= done.report.artifacts.keys()
    assert all(Path(path).exists() for path in done.report.artifacts.values())
    assert read_study(done.folder) == done.report


def test_the_same_study_again_trains_nothing_and_gives_the_same(done: SmallStudy) -> None:
    result = command(done.home, "search", str(done.recipe), "--json")
    assert result.exit_code == 0, result.stderr
    again, before = json.loads(result.stdout), done.report.to_json()
    for name in ("trials", "front", "winners", "shared", "references", "artifacts", "remarks"):
        assert again[name] == before[name], name
    fewer = command(done.home, "search", str(done.recipe), "--set", "search.trials=2")
    assert fewer.stdout.startswith("searched: done, 5 of 5 trials")
    assert fewer.stderr == "study 'searched': stored already\n"


def test_one_that_is_interrupted_when_it_is_opened_again_reports_its_trials(
    done: SmallStudy, tmp_path: Path
) -> None:
    search = read_search(stillhouse.load_recipe(done.recipe))
    storage = open_storage(f"sqlite:///{done.home}/study.db")
    study = optuna.load_study(study_name=done.report.study, storage=storage)
    spec = StudySpec(done.report.study, search.config, search.seed, search.steps)
    stored = StoredStudy(study, search.config)
    opened = Study(search, spec, stored, tmp_path, None)  # type: ignore[arg-type]
    StudyReporting(opened, began=0.0).fail(KeyboardInterrupt())
    close_storage(storage)
    report = read_study(tmp_path)
    assert (report.outcome, report.trials) == ("interrupted", done.report.trials)


def test_the_terminal_shows_front_winners_and_paths(done: SmallStudy) -> None:
    result = command(done.home, "search", str(done.recipe))
    assert "Pareto front (validation part)" in result.stdout
    assert "over 2 fresh seeds" in result.stdout
    assert str(done.folder) in result.stdout
    assert result.stderr == "study 'searched': stored already\n"
    (done.folder / "tracked.json").unlink()
    again = command(done.home, "search", str(done.recipe))
    assert again.stdout.splitlines()[1:] == result.stdout.splitlines()[1:]
    assert "trial 4 (5 of 5): " in again.stderr
    assert "Trial 0" not in result.stdout
    listed = command(done.home, "list", "--studies").stdout
    assert "5 of 5" in listed
    assert "has no run" in command(done.home, "list").stdout


def test_a_recipe_without_labels_has_no_untaught_reference(done: SmallStudy) -> None:
    space = "search.space={ensemble.temperature: {float: [2.0, 8.0]}}"
    changes = ["name=unlabelled", "search.trials=1", "search.repeats=0", "controls=[]", space]
    unlabelled = ["transfer_set.labelled=0", "student.objective={soft_targets: 1.0}"]
    loaded = stillhouse.load_recipe(done.recipe, [*changes, *unlabelled])
    report = stillhouse.search(loaded, home=done.home)
    assert list(report.references) == ["wide", "deep", "ensemble"]
    [remark] = report.remarks
    assert remark.startswith("There is no untaught student to compare with: `controls` has")


def test_own_values_outside_the_space_are_a_remark(done: SmallStudy) -> None:
    loaded = stillhouse.load_recipe(
        done.recipe,
        ["ensemble.temperature=1.0", "search.trials=1", "search.repeats=0", "name=outside"],
    )
    report = stillhouse.search(loaded, home=done.home)
    [remark] = report.remarks
    assert "those of `ensemble.temperature` lie outside the space" in remark
    assert [winner.repeats for winner in report.winners] == [{}]


def test_mlflow_has_the_study_its_trials_and_its_files_once(done: SmallStudy) -> None:
    for _ in range(2):
        (done.folder / "tracked.json").unlink()
        assert command(done.home, "search", str(done.recipe)).exit_code == 0
    with closing(sqlite3.connect(done.home / "mlflow.db")) as database:
        [(study, status)] = database.execute(
            "SELECT run_uuid, status FROM runs WHERE name = 'searched'"
        )
        trials = database.execute(
            "SELECT name, status FROM runs JOIN tags USING (run_uuid) "
            "WHERE key = 'mlflow.parentRunId' AND value = ? ORDER BY name",
            [study],
        ).fetchall()
        points = database.execute("SELECT run_uuid, key, step FROM metrics").fetchall()
    assert status == "FINISHED"
    assert trials == [(f"trial {number}", "FINISHED") for number in range(5)]
    assert len(points) == len(set(points))
    logged = {path.name for path in (done.home / "mlartifacts").rglob("*")}
    assert {"study.md", "study.json", "best.yaml", "front.png", "MLmodel"} <= logged


def test_a_study_in_a_session_of_its_caller_is_the_same(done: SmallStudy) -> None:
    loaded = stillhouse.load_recipe(done.recipe)
    with stillhouse.Session(done.home, loaded.recipe.cluster) as session:
        again = stillhouse.search(loaded, session=session)
        assert replace(again, seconds=done.report.seconds) == done.report
        beside = stillhouse.load_recipe(
            done.recipe, ["search.sampler=random", "search.trials=1", "search.repeats=0"]
        )
        with pytest.raises(StudyExists, match=r"search\.sampler"):
            stillhouse.search(beside, session=session)
        assert stillhouse.search(beside, session=session, new=True).study == "searched-2"
