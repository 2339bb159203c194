"""A teacher and a rank that are killed in mid-training: the same command ends with the same
student."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.home.store import Store
from students.fault_injection import VARIABLE
from students.specs import MODEL
from students.storage.outcome import Outcome, read_outcomes
from tests import small
from tests.faults import fault, plan_in
from tests.running import (
    EACH_STEP,
    IN_PROCESS,
    Command,
    Finished,
    metrics,
    run_stages,
    undisturbed,
)

pytestmark = pytest.mark.slow

ALONE = ("teachers.deep=null", "controls=[]", "student.train.epochs=20")
SECONDS = 150
"""For a run of its own, on a machine that is busy."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return undisturbed(tmp_path_factory)


def home(whole: Finished, folder: Path) -> Path:
    return whole.copied(folder, without=("student", "controls.untaught"))


@pytest.fixture(scope="module")
def expected(whole: Finished, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("expected")
    loaded = small.loaded(folder, *IN_PROCESS, *ALONE)
    return run_stages(loaded, home(whole, folder))[-1].outcomes[MODEL]


def test_a_killed_teacher_and_a_killed_rank_cost_no_second_command(
    whole: Finished, expected: Outcome, tmp_path: Path
) -> None:
    folder, recipe = home(whole, tmp_path), str(small.written(tmp_path))
    plan = plan_in(tmp_path, fault("teacher wide", 9, "kill"), fault("student", 42, "kill"))
    command = ("--home", str(folder), "run", recipe, *ALONE, EACH_STEP)
    with Command(*command, folder=tmp_path, **{VARIABLE: str(plan)}) as run:
        assert run.ends(SECONDS) == 0, run.said()
        assert "restarting teacher 'wide' (1 of " in run.said()
    stage = small.planned(tmp_path, *ALONE).stage("student").digest
    [sentence] = Store(folder).failures(stage)
    assert sentence.startswith("student, rank 0 was lost (")
    assert re.search(r"goes on from step (36|40) \(failure 1 of at most 3", sentence), (
        "with its teacher lost the student went on, it did not begin again"
    )
    outcome = read_outcomes(Store(folder).folder(stage))[MODEL]
    assert (outcome.weights_sha256, outcome.curve) == (expected.weights_sha256, expected.curve)
    assert [attempt for attempt, _ in outcome.segments] == [1, 2]
    assert {len(values) for values in metrics(folder, stage).values()} == {1}
