"""What trials share, how they fail, and that their recipes give the same students again."""

from __future__ import annotations

import io
import json
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from orchestrator.cli import main
from orchestrator.execution.session import Session
from orchestrator.home.store import Store
from orchestrator.recipe.loading import load_recipe
from orchestrator.studies.run_study import run_study
from orchestrator.studies.trial_records import TrialRecords
from search.errors import StudyError
from students.fault_injection import VARIABLE
from students.storage.attempts import current_attempt
from teachers.serving.evaluator import Evaluator
from tests.faults import fault, plan_in
from tests.orchestrator.studies import tiny
from tests.running import Command, copy_of

pytestmark = pytest.mark.slow

LR = "student.train.optimizer.lr"
SAMPLES = 116
"""That the small recipe gives the student, all under one view."""


def diverging(weights: list[float], rates: list[float], **search: Any) -> dict[str, Any]:
    """Gradients become infinite at a rate of 10 and a weight of some hundreds."""
    space = {tiny.WEIGHT: {"categorical": weights}, LR: {"categorical": rates}}
    data = tiny.recipe(space, sampler="grid", **search)
    train = {"epochs": 8, "gradient_clipping": "none", "optimizer": {"lr": rates[0]}}
    data["student"]["train"] |= train
    data["student"]["model"]["hidden"] = [16, 16]
    data["student"]["objective"]["soft_targets"]["weight"] = weights[0]
    return data


def test_a_trial_that_fails_leaves_no_role_and_the_study_goes_on(tmp_path: Path) -> None:
    loaded = load_recipe(tiny.written(tmp_path, diverging([0.5, 900.0], [0.1, 10.0], trials=9)))
    with Session(tmp_path / "home", loaded.recipe.cluster) as session:
        report = run_study(loaded, session, new=False, console=Console(file=io.StringIO()))
        left = [handle.name for handle in session.pool.runtime._handles]  # type: ignore[attr-defined]
    assert left == ["teacher wide"] * len(left), "teachers stay for the next trial"
    points = {str(trial.params) for trial in report.trials}
    assert len(points) == 4, "the grid has no more"
    failed = [trial for trial in report.trials if trial.state == "FAIL"]
    assert failed[0].overrides == {tiny.WEIGHT: 900.0, LR: 10.0}
    assert {trial.state for trial in report.trials if trial not in failed} == {"COMPLETE"}
    assert failed[0].reason is not None
    assert failed[0].reason.startswith(
        f"`{LR}` is 10, but gradients were not finite in 10 steps in a row"
    )
    assert set(failed[0].scores) == {"parameters", "macs", "bytes"}


def test_three_failures_with_one_cause_end_the_study_with_it(tmp_path: Path) -> None:
    data = diverging([900.0, 901.0, 902.0, 903.0], [10.0], parallel=1)
    with pytest.raises(StudyError, match=r"three trials in a row have failed with one cause \(`"):
        tiny.run(tmp_path, data)
    assert [trial.state.name for trial in tiny.stored(tmp_path)] == ["FAIL"] * 3
    report = json.loads((tmp_path / "home/studies/tiny/study.json").read_text())
    assert report["outcome"] == "failed"
    with pytest.raises(StudyError, match="three trials in a row"):
        tiny.run(tmp_path, data)
    assert [trial.state.name for trial in tiny.stored(tmp_path)] == ["FAIL"] * 4


def test_equal_trials_are_one_student(tmp_path: Path) -> None:
    space = {"student.model.hidden": {"choice": {"one": [8]}}}
    report = tiny.run(tmp_path, tiny.recipe(space, sampler="random", trials=4))
    assert {trial.state for trial in report.trials} == {"COMPLETE"}
    assert len({trial.scores["nll"] for trial in report.trials}) == 1
    stages = [each for each in (tmp_path / "home" / "stages").iterdir() if each.is_dir()]
    assert {current_attempt(stage) for stage in stages} == {1}


def test_no_model_is_asked_for_the_same_answer_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By trials, winners on fresh seeds, and references; nor evaluated twice on the test part."""
    tested, test = list[str](), Evaluator.test

    @wraps(test)
    def count(evaluator: Evaluator, name: str) -> None:
        tested.append(evaluator.stage_folder.name)
        test(evaluator, name)

    monkeypatch.setattr(Evaluator, "test", count)
    two = {"accuracy": "maximize", "parameters": "minimize"}
    report = tiny.run(tmp_path, tiny.recipe(trials=4, repeats=2, scores=two))
    assert report.winners
    store, records = Store(tmp_path / "home"), TrialRecords(tmp_path / "home/studies/tiny")
    of_trials = [records.stages(trial.number) for trial in report.trials]
    assert of_trials[0]["teachers.wide"] in tested
    assert len(tested) == len(set(tested))
    teaching = {
        stages[name]
        for stages in of_trials
        for name in ("teachers.wide", "assistants.1")
        if name in stages
    }
    assert len(teaching) > 1
    assert report.shared.teacher_forwards_computed == SAMPLES * len(teaching)
    in_trials = {digest for stages in of_trials for digest in stages.values()}
    fresh = [each.digest for each in store.stages() if each.digest not in in_trials]
    counts = [
        count.computed
        for digest in fresh
        for outcome in store.outcomes(digest).values()
        for count in outcome.answers.values()
    ]
    assert counts
    assert set(counts) == {0}


def test_the_recipe_of_a_winner_with_an_assistant_gives_the_same_student(tmp_path: Path) -> None:
    """In an empty home, where it is alone."""
    by_one = tiny.SPACE["schedule"]["choice"]["by_one"]  # type: ignore[index]
    weight = {tiny.WEIGHT: {"float": [0.1, 1.0]}}
    space = {**tiny.SPACE, **weight, "schedule": {"choice": {"by_one": by_one}}}
    report = tiny.run(tmp_path, tiny.recipe(space, trials=4, repeats=1))
    winner = report.winners[0]
    command = ["--home", str(tmp_path / "empty"), "run", winner.recipe, "--json"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["student"]["weights_sha256"] == winner.weights_sha256


def test_a_limit_is_kept_by_the_winner_and_costs_no_training(tmp_path: Path) -> None:
    report = tiny.run(tmp_path, tiny.recipe(limits={"parameters": 900.0, "accuracy": 0.2}))
    above = [trial for trial in report.trials if trial.scores["parameters"] > 900]
    assert above
    assert {trial.state for trial in above} == {"PRUNED"}
    assert all("accuracy" not in trial.scores for trial in above)
    for number in report.front:
        scores = report.trials[number].scores
        assert scores["parameters"] <= 900
        assert scores["accuracy"] >= 0.2


def test_another_space_is_another_study(tmp_path: Path) -> None:
    space = {tiny.WEIGHT: {"float": [0.0, 1.0]}}
    tiny.run(tmp_path, tiny.recipe(space, trials=1))
    other = tiny.recipe({tiny.WEIGHT: {"float": [0.0, 0.5]}}, trials=1)
    with pytest.raises(StudyError, match=r"`search.space.*` was .*1\.0.*, and is .*0\.5.*--new"):
        tiny.run(tmp_path, other)
    assert tiny.run(tmp_path, other, new=True).study == "tiny-2"
    assert tiny.run(tmp_path, other).study == "tiny-2", "without --new it goes on"


def test_the_trials_of_another_study_are_known_as_they_were(tmp_path: Path) -> None:
    space = {tiny.WEIGHT: {"float": [0.0, 1.0]}}
    first = tiny.recipe(space, trials=2)
    with pytest.raises(StudyError, match=r"`search\.from` is 'other', which is no study here; "):
        tiny.run(tmp_path, tiny.recipe(space, **{"from": "other"}))
    tiny.run(tmp_path, first)
    undisturbed = copy_of(tmp_path / "home", tmp_path / "undisturbed").parent
    second = {**tiny.recipe(space, trials=2, **{"from": "tiny"}), "name": "second"}
    tiny.run(tmp_path, second)
    tiny.run(tmp_path, tiny.recipe(space, trials=4))
    second["search"]["trials"] = 4
    tiny.run(tmp_path, second)
    tiny.run(undisturbed, second)
    assert tiny.history(tmp_path, "second") == tiny.history(undisturbed, "second")


def test_a_killed_process_is_the_sessions_to_recover(tmp_path: Path) -> None:
    data = tiny.recipe(trials=3, scores={"accuracy": "maximize"})
    tiny.run(tmp_path / "undisturbed", data)
    del data["cluster"]
    tiny.written(tmp_path, data)
    plan = plan_in(tmp_path, fault("student", 7, "kill"), fault("teacher wide", 3, "kill"))
    arguments = ("--home", str(tmp_path / "home"), "search", "recipe.yaml")
    with Command(*arguments, folder=tmp_path, **{VARIABLE: str(plan)}) as command:
        assert command.ends(160) == 0, command.said()
    assert {trial.state.name for trial in tiny.stored(tmp_path)} == {"COMPLETE"}
    assert tiny.history(tmp_path) == tiny.history(tmp_path / "undisturbed")
