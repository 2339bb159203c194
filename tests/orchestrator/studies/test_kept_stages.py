"""Of a study's stages those of its front stay, and what something else keeps."""

from __future__ import annotations

import io
import sqlite3
from pathlib import Path

import pytest
from rich.console import Console

from orchestrator.execution.session import Session
from orchestrator.home.cleaning import plan_cleaning
from orchestrator.home.study_stages import stages_of_studies
from orchestrator.planning.stage import StageRole
from orchestrator.results.study_report import StudyReport
from orchestrator.studies.run_study import run_study
from orchestrator.studies.trial_records import TrialRecords
from tests import small
from tests.orchestrator.studies import tiny
from tests.running import IN_PROCESS, finished

pytestmark = pytest.mark.slow

SEARCH = (
    "search={trials: 4, repeats: 1, sampler: random, scores: {accuracy: maximize}, "
    "space: {student.train.optimizer.lr: {float: [0.001, 0.2], log: true}}}"
)
NUMBERS = (*IN_PROCESS, "teachers.wide.precision=fp32", "teachers.deep.precision=fp32")
"""What a trial has where the recipe says auto."""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, StudyReport]:
    """A study in a home in which a run with the learning rate of trial 0 was before."""
    folder = tmp_path_factory.mktemp("study")
    small.written(folder)
    home = folder / "home"
    finished(folder, home, *NUMBERS, "controls=[]")
    loaded = small.loaded(folder, *NUMBERS, SEARCH)
    with Session(home, loaded.recipe.cluster) as session:
        report = run_study(loaded, session, new=False, console=Console(file=io.StringIO()))
    return home, report


def test_the_students_of_trials_off_the_front_are_deleted(
    study: tuple[Path, StudyReport],
) -> None:
    home, report = study
    kept = {path.name for path in (home / "stages").iterdir() if path.is_dir()}
    (of_study,) = stages_of_studies(home)
    assert of_study.digests <= kept
    assert len(report.trials) == 4
    # Two teachers and the untaught student; the winner on its own seed and on a fresh one; the
    # run's student.
    assert len(kept) == 3 + 2 + (report.front != (0,))


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, StudyReport]:
    """A study of two trials, each of which chooses its assistant."""
    folder = tmp_path_factory.mktemp("chosen")
    candidates = [{"kind": "mlp", "hidden": [width]} for width in (12, 24)]
    rates = {"student.train.optimizer.lr": {"categorical": [0.1, 0.05]}}
    recipe = tiny.recipe(rates, sampler="grid", trials=2, repeats=0)
    schedule = {"kind": "assistants", "path": "auto", "candidates": candidates}
    return folder / "home", tiny.run(folder, {**recipe, "schedule": schedule})


def test_a_student_that_follows_from_a_choice_is_deleted_too(
    chosen: tuple[Path, StudyReport],
) -> None:
    home, report = chosen
    trained = TrialRecords(home / "studies/tiny").trained(StageRole.STUDENT)
    left = {path.name for path in (home / "stages").iterdir()}
    assert len(trained) == 2
    assert len(trained & left) == len(report.winners) == 1


def test_the_lineage_of_a_trial_names_the_assistant_that_was_chosen(
    chosen: tuple[Path, StudyReport],
) -> None:
    home, report = chosen
    for trial in report.trials:
        stages = TrialRecords(home / "studies/tiny").stages(trial.number)
        candidates = {stages[f"assistants.candidates.{number}"] for number in (1, 2)}
        assert stages["assistants.1"] in candidates
        assert stages["student"] not in candidates
        with sqlite3.connect(home / "mlflow.db") as database:
            tags = dict(
                database.execute(
                    "SELECT t.key, t.value FROM tags t JOIN runs r ON r.run_uuid = t.run_uuid "
                    "WHERE r.name = ?",
                    (f"trial {trial.number}",),
                )
            )
        for title in ("assistants.1", "student"):
            assert tags[f"stillhouse.stage.{title}"] == stages[title]


def test_a_candidate_that_is_chosen_is_not_counted_as_reused(
    chosen: tuple[Path, StudyReport],
) -> None:
    _, report = chosen
    assert report.shared.stages_reused == 1, "the second trial's teacher"


def test_a_student_that_a_run_names_stays(study: tuple[Path, StudyReport]) -> None:
    home, _ = study
    assert finished(home.parent, home, *NUMBERS, "controls=[]").ran() == []


def test_clean_keeps_what_a_study_keeps(study: tuple[Path, StudyReport]) -> None:
    home, _ = study
    (of_study,) = stages_of_studies(home)
    removable = {item.path.name for item in plan_cleaning(home, everything=False).removable}
    assert not removable & of_study.digests
    everything = {item.path.name for item in plan_cleaning(home, everything=True).removable}
    assert of_study.digests <= everything, "--all asks for it"
