"""A study with Wilcoxon's pruner: its trials train on several seeds, its winners on others."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

import stillhouse
from orchestrator.execution.session import Session
from orchestrator.planning.stage import StageRole
from orchestrator.recipe.loading import load_recipe
from orchestrator.results.study_report import StudyReport
from orchestrator.studies.trial_records import TrialRecords
from search.trials import RESULT
from students.specs import MODEL
from tests.orchestrator.studies import tiny
from tests.running import Command, RecordingWatcher

pytestmark = pytest.mark.slow

SEEDS, FRESH = 5, 2
RATES = {"student.train.optimizer.lr": {"categorical": [0.1, 1e-5]}}
ASSISTANT = {"model": {"kind": "mlp", "hidden": [32]}, "train": {"optimizer": {"lr": 0.1}}}


def recipe() -> dict[str, Any]:
    """Two trials, of which the second learns next to nothing; they have one assistant."""
    data = tiny.recipe(
        RATES,
        pruner={"kind": "wilcoxon", "seeds": SEEDS},
        sampler="grid",
        parallel=1,
        trials=2,
        repeats=FRESH,
    )
    return {**data, "schedule": {"kind": "assistants", "path": [ASSISTANT]}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("seeds")


@pytest.fixture(scope="module")
def done(folder: Path) -> StudyReport:
    return tiny.run(folder, recipe())


def test_a_trial_that_is_ended_has_trained_on_no_later_seed(
    folder: Path, done: StudyReport
) -> None:
    _, pruned = done.trials
    assert (pruned.state, pruned.reason) == ("PRUNED", "wilcoxon after seed 4")
    _, stored = tiny.stored(folder)
    result = stored.user_attrs[RESULT]
    stages = result["record"]["stages"]
    begun = TrialRecords(folder / "home/studies/tiny").trained(StageRole.STUDENT)
    students = {title: digest for title, digest in stages.items() if title.startswith("student")}
    assert [title for title, digest in students.items() if digest in begun] == [
        "student", "student#2", "student#3", "student#4",
    ]  # fmt: skip
    assert students.keys() >= {"student#5"}, "it was planned"
    assert stored.intermediate_values.keys() == {1, 2, 3, 4}
    assert pruned.scores["accuracy"] == fmean(stored.intermediate_values.values())
    left = {path.name for path in (folder / "home/stages").iterdir()}
    assert not left & set(students.values()), "of a trial off the front no student is kept"


def test_scores_are_means_over_the_trials_seeds_and_winners_are_trained_on_others(
    folder: Path, done: StudyReport
) -> None:
    [winner] = done.winners
    loaded, watcher = load_recipe(Path(winner.recipe)), RecordingWatcher()
    with Session(folder / "home", loaded.recipe.cluster) as session:
        graph = stillhouse.plan(loaded, session, repeats=SEEDS + FRESH)
        results = session.submit(graph, watcher).result().results
    assert watcher.titles("begin") == [], "all of them are stored"
    students = [each.outcomes[MODEL] for each in results if each.stage.role is StageRole.STUDENT]
    assert len({each.weights_sha256 for each in students}) == SEEDS + FRESH
    nll = [each.curve[-1].nll for each in students]
    assert winner.scores["nll"] == pytest.approx(fmean(nll[:SEEDS]))  # type: ignore[type-var]
    assert winner.repeats["nll"].values == pytest.approx(nll[SEEDS:])
    first, _ = tiny.stored(folder)
    assert list(first.intermediate_values) == [1, 2, 3, 4, 5]
    assert first.value == fmean(first.intermediate_values.values())
    assert winner.weights_sha256 == students[0].weights_sha256


def test_the_page_says_over_how_many_seeds(folder: Path, done: StudyReport) -> None:
    page = (folder / "home/studies/tiny/study.md").read_text()
    assert "mean over 5 seeds" in page
    assert "over 2 fresh seeds" in page
    assert "than on the seeds of the trials" in page
    assert "pruned: wilcoxon after seed 4" in page
    assert done.seeds == SEEDS


def test_killed_between_two_seeds_it_is_the_same(
    tmp_path: Path, folder: Path, done: StudyReport
) -> None:
    tiny.written(tmp_path, recipe())
    begun = tmp_path / "home/studies/tiny/trials/begun"
    arguments = ("--home", str(tmp_path / "home"), "search", "recipe.yaml")
    # A teacher, an assistant, five seeds of a trial, four of the next.
    for stages in (4, 6, 9):
        with Command(*arguments, folder=tmp_path) as command:
            command.waits_for(lambda n=stages: len([*begun.glob("*/*")]) >= n, 60)  # type: ignore[misc]
            command.process.kill()
    with Command(*arguments, folder=tmp_path) as command:
        assert command.ends(120) == 0, command.said()
    assert tiny.history(tmp_path) == tiny.history(folder)
    assert len(done.trials) == 2
