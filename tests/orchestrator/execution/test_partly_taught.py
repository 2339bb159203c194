"""Students whom teachers teach for a part of the time, and students who get no label at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.execution.stage_works import StageResult
from students.specs import MODEL
from students.storage.step_log import read_committed
from tests import small
from tests.running import IN_PROCESS, run_stages

NO_HINT = "student.objective.near=null"
EPOCH = 4 * 64
"""Answers that the student needs of each teacher in one epoch."""
STOP = "student.objective.soft_targets.weight={kind: stop, value: 0.9, epoch: 1}"


def run(folder: Path, *overrides: str) -> dict[str, StageResult]:
    """The small recipe without its hint, in this process; the results by title."""
    recipe = small.loaded(folder, *IN_PROCESS, NO_HINT, *overrides)
    results = run_stages(recipe, folder / "home")
    return {result.stage.title: result for result in results}


def steps(folder: Path, result: StageResult) -> list[dict[str, float]]:
    """The values that each step of a stage recorded."""
    stage = folder / "home" / "stages" / result.stage.digest
    rows = read_committed(stage, result.outcomes[MODEL].segments)
    return [dict(row.values) for row in rows if row.kind == "step"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of one home, in which teachers are trained once."""
    return tmp_path_factory.mktemp("partly")


@pytest.fixture(scope="module")
def stopped(folder: Path) -> StageResult:
    """The first student of the home: no answer was stored before it."""
    return run(folder, STOP)["student"]


def test_no_teacher_is_called_after_its_term_has_stopped(
    folder: Path, stopped: StageResult
) -> None:
    answers = stopped.outcomes[MODEL].answers
    assert {name: each.asked + each.read for name, each in answers.items()} == {
        "wide": EPOCH,
        "deep": EPOCH,
    }
    assert all(0 < each.computed <= EPOCH for each in answers.values())
    rows = steps(folder, stopped)
    assert ["terms/soft_targets" in values for values in rows] == [True] * 4 + [False] * 8


@pytest.mark.usefixtures("stopped")
def test_what_one_epoch_asked_is_all_that_another_such_student_needs(folder: Path) -> None:
    again = run(folder, STOP, "student.train.seed=1")["student"]
    assert again.ran
    assert [(each.asked, each.read) for each in again.outcomes[MODEL].answers.values()] == [
        (0, EPOCH)
    ] * 2


HINT = (
    "{kind: hint, teacher: wide, hint: hidden.0, guided: hidden.0, "
    "weight: {kind: stop, value: 0.1, epoch: 1}}"
)
HINTED = (f"student.objective.near={HINT}", "transfer_set.augment=none", "controls=[]")


@pytest.fixture(scope="module")
def hinted(folder: Path, stopped: StageResult) -> StageResult:
    """A student without augmentation, so of other answers than those stored by then."""
    return run(folder, *HINTED)["student"]


def test_after_a_hint_has_stopped_stored_logits_are_enough(
    folder: Path, hinted: StageResult
) -> None:
    wide, deep = (hinted.outcomes[MODEL].answers[name] for name in ("wide", "deep"))
    assert wide.computed == EPOCH, "its layers, which are not kept, were needed in one epoch"
    assert deep.computed <= EPOCH
    assert wide.asked + wide.read == deep.asked + deep.read == 3 * EPOCH
    rows = steps(folder, hinted)
    assert ["terms/near" in values for values in rows] == [True] * 4 + [False] * 8


@pytest.mark.usefixtures("hinted")
def test_stored_layers_are_read_in_the_epochs_of_the_hint(folder: Path) -> None:
    keeping = run(folder, *HINTED, "ensemble.bank={taps: true}", "student.train.seed=2")["student"]
    again = run(folder, *HINTED, "ensemble.bank={taps: true}", "student.train.seed=3")["student"]
    assert keeping.ran and again.ran
    assert 0 < keeping.outcomes[MODEL].answers["wide"].computed <= EPOCH, (
        "its layers were not stored"
    )
    assert keeping.outcomes[MODEL].answers["deep"].computed == 0
    assert [(each.asked, each.read) for each in again.outcomes[MODEL].answers.values()] == [
        (0, 3 * EPOCH)
    ] * 2


def test_a_stop_is_another_student_and_the_same_teachers(folder: Path) -> None:
    stopped, plain = (small.digests(small.planned(folder, *each)) for each in ((STOP,), ()))
    assert small.changed(stopped, plain) == {"student"}


@pytest.mark.usefixtures("stopped")
def test_without_any_label_a_student_learns_by_answers_alone(folder: Path) -> None:
    results = run(
        folder,
        "transfer_set.labelled=0",
        "student.objective={soft_targets: 1.0}",
        "teachers.deep=null",
        "student.train.epochs=15",
        "controls=[]",
    )
    [*_, last] = rows = steps(folder, results["student"])
    assert {name for values in rows for name in values if name.startswith("terms/")} == {
        "terms/soft_targets"
    }
    assert all(values["loss"] == values["terms/soft_targets"] for values in rows)
    assert last["loss"] < rows[0]["loss"] / 2
    accuracy = results["student"].outcomes[MODEL].curve[-1].accuracy
    assert accuracy is not None
    assert accuracy > 0.2, "its teacher has 0.29, and there are ten classes"
