"""A path that is chosen among candidates, run: what is reported, shared, and survives a kill."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import pytest
from click.testing import CliRunner

from orchestrator.cli import main
from orchestrator.home.store import DECISION, Store
from students.fault_injection import VARIABLE
from tests.faults import fault, plan_in
from tests.orchestrator.execution.test_chains import FIRST, SECOND
from tests.orchestrator.planning.test_chosen_path import auto
from tests.orchestrator.planning.test_schedules import generations, path
from tests.refusals import invoke
from tests.running import (
    EACH_STEP,
    IN_PROCESS,
    Command,
    Finished,
    copy_of,
    finished,
    undisturbed,
)

BOTH = auto(FIRST, SECOND)
CANDIDATES = ["assistants.candidates.1", "assistants.candidates.2"]


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The undisturbed run's teachers, then one of two assistants between them and the student."""
    first = undisturbed(tmp_path_factory)
    home = copy_of(first.home, tmp_path_factory.mktemp("chosen"))
    return finished(first.folder, home, BOTH)


def test_the_candidates_are_trained_then_one_teaches_the_student(chosen: Finished) -> None:
    assert chosen.ran() == [*CANDIDATES, "assistants.choice", "student"]
    [(number, assistant)] = chosen.object["assistants"].items()
    taken = chosen.object["choice"]["candidates"][chosen.object["choice"]["chosen"]]
    assert number == "1"
    assert assistant["weights_sha256"] == taken["weights_sha256"]
    assert list(chosen.object["teaching"]["teachers"]) == ["assistants.1"]


def test_the_report_has_all_candidates_and_why_one_was_taken(chosen: Finished) -> None:
    choice, models = chosen.object["choice"], chosen.object
    accuracy = {
        number: model["validation"]["accuracy"] for number, model in choice["candidates"].items()
    }
    assert choice["accuracy"] == accuracy
    ensemble, untaught = (
        models[name]["validation"]["accuracy"] for name in ("ensemble", "untaught")
    )
    assert (choice["ensemble"], choice["untaught"]) == (ensemble, untaught)
    assert choice["target"] == (ensemble + untaught) / 2
    gaps = {number: abs(each - choice["target"]) for number, each in accuracy.items()}
    assert choice["chosen"] == min(gaps, key=gaps.__getitem__)
    page = Path(models["artifacts"]["report.md"]).read_text()
    assert "## Candidates for the assistant (target: " in page
    assert f"Candidate {choice['chosen']} was taken as the assistant, since its valid" in page
    [row] = [line for line in page.splitlines() if line.startswith(f"| {choice['chosen']} |")]
    assert row.endswith("| yes |")


def test_the_same_command_finds_nothing_to_do(chosen: Finished) -> None:
    again = finished(chosen.folder, chosen.home, BOTH)
    assert again.ran() == []
    assert again.object["choice"] == chosen.object["choice"]
    assert again.digests() == chosen.digests()


def test_the_path_that_was_chosen_is_stored_under_the_same_digests(
    chosen: Finished, tmp_path: Path
) -> None:
    model = (FIRST, SECOND)[int(chosen.object["choice"]["chosen"]) - 1]
    given = finished(chosen.folder, copy_of(chosen.home, tmp_path), path(model))
    assert given.ran() == []
    assert given.digests().items() <= chosen.digests().items()
    assert given.object["student"]["weights_sha256"] == chosen.object["student"]["weights_sha256"]
    assert given.object["choice"] is None


@pytest.mark.slow
def test_more_repeats_run_only_their_students(chosen: Finished, tmp_path: Path) -> None:
    home = copy_of(chosen.home, tmp_path)
    more = finished(chosen.folder, home, BOTH, "--repeat", "2")
    assert more.ran() == ["student#2", "controls.untaught#2"]
    assert [each["choice"]["chosen"] for each in more.object["reports"]] == [
        chosen.object["choice"]["chosen"]
    ] * 2


def test_check_shows_what_was_chosen_and_clean_keeps_it(chosen: Finished, tmp_path: Path) -> None:
    def does(home: Path) -> dict[str, str]:
        printed = json.loads(invoke(tmp_path, "check", BOTH, "--json", home=home).stdout)
        return {row["name"]: row["does"] for row in printed["stages"]}

    number = chosen.object["choice"]["chosen"]
    assert does(chosen.home)["assistants.choice"] == f"has chosen {number}"
    assert does(chosen.home)["student"] == "teaches mlp, 3 epochs"
    open_ = does(tmp_path / "empty")
    assert open_["assistants.choice"] == "undecided: 1 or 2"
    assert open_["student"] == "depends on assistants.choice"
    home = copy_of(chosen.home, tmp_path)
    cleaned = CliRunner().invoke(main, ["--home", str(home), "clean", "--yes"])
    assert cleaned.exit_code == 0, cleaned.output
    assert (Store(home).folder(chosen.digests()["assistants.choice"]) / DECISION).exists()


def killed(folder: Path, recipe: Path, home: Path, plan: Path, *settings: str) -> None:
    """Runs the recipe in a process that a fault of ``plan`` kills."""
    arguments = ["run", str(recipe), *IN_PROCESS, EACH_STEP, *settings, "--home", str(home)]
    with Command(*arguments, folder=folder, **{VARIABLE: str(plan)}) as run:
        assert run.ends(120) == -signal.SIGKILL, run.said()


@pytest.mark.slow
def test_a_kill_before_and_after_the_decision_changes_nothing(
    chosen: Finished, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    first, recipe = undisturbed(tmp_path_factory), chosen.folder / "recipe.yaml"
    home = copy_of(first.home, tmp_path)
    plan = plan_in(tmp_path, *(fault("assistants.choice", step, "kill") for step in (0, 1)))
    choice, student = (chosen.digests()[name] for name in ("assistants.choice", "student"))
    killed(tmp_path, recipe, home, plan, BOTH)
    store = Store(home)
    assert all(store.outcomes(chosen.digests()[name]) for name in CANDIDATES)
    decision = store.folder(choice) / DECISION
    assert not decision.exists()
    killed(tmp_path, recipe, home, plan, BOTH)
    assert decision.exists()
    assert not store.folder(student).exists()
    resumed = finished(chosen.folder, home, BOTH)
    assert resumed.ran() == ["student"]
    for name in ("chosen", "reason", "accuracy"):
        assert resumed.object["choice"][name] == chosen.object["choice"][name]
    weights = chosen.object["student"]["weights_sha256"]
    assert resumed.object["student"]["weights_sha256"] == weights


@pytest.mark.slow
def test_a_kill_in_the_second_of_three_generations_changes_nothing(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    first = undisturbed(tmp_path_factory)
    objective = "student.objective={task: 1.0, soft_targets: 0.1}"
    settings = (generations(3), "student.train.epochs=12", objective, "controls=[]")
    whole = finished(first.folder, copy_of(first.home, tmp_path / "whole"), *settings)
    assert whole.ran() == ["generations.1", "generations.2", "student"]
    home, one = copy_of(first.home, tmp_path), whole.digests()["generations.1"]
    two = finished(first.folder, home, generations(2), *settings[1:])
    assert two.digests()["generations.1"] == one
    # The first generation is stored, so it is the second one that comes to this step.
    plan = plan_in(tmp_path, fault("student", 20, "kill"))
    killed(tmp_path, first.folder / "recipe.yaml", home, plan, *settings)
    left = {stage.digest for stage in Store(home).stages() if stage.unfinished}
    assert left == {whole.digests()["generations.2"]}
    shutil.rmtree(Store(home).folder(one) / "checkpoints")
    resumed = finished(first.folder, home, *settings)
    assert resumed.ran() == ["generations.2", "student"]
    weights = whole.object["student"]["weights_sha256"]
    assert resumed.object["student"]["weights_sha256"] == weights
