"""Several teachers that show several levels, vote on triplets and are weighed by a gate."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from orchestrator.execution.stage_works import StageResult
from orchestrator.home.store import Store
from students.specs import MODEL
from students.storage.step_log import read_committed
from tests import small
from tests.running import IN_PROCESS, run_stages

STUDENT = "student.model={kind: plain_cnn, channels: [4, 4, 6]}"
TERMS = (
    "student.objective.near=null",
    "student.objective.levels={kind: multi_group_hint, groups: ["
    "{teacher: deep, hint: stage1, guided: stage1}, {teacher: wide, hint: hidden.0, guided: stage2}"
    "]}",
    "student.objective.order={kind: triplet_order, layers: {wide: hidden.0, deep: stage1}, "
    "guided: stage2, triplets: 64}",
    "student.objective.relation_distance=1.0",
    "student.objective.relation_angle={teacher: wide, hint: hidden.0, guided: stage2}",
)
TEACHERS = ("ensemble.weighting=adaptive", "controls=[]", STUDENT, *TERMS)
NAMES = {"task", "soft_targets", "levels", "order", "relation_distance", "relation_angle"}


def run(folder: Path, until: int | None = None) -> StageResult:
    """The student, taught in this process until it is done, or killed before a step."""
    recipe = small.loaded(folder, *IN_PROCESS, *TEACHERS)
    results = run_stages(recipe, folder / "home", until=until)
    return next(result for result in results if result.stage.title == "student")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("many_teachers")


@pytest.fixture(scope="module")
def student(folder: Path) -> StageResult:
    return run(folder)


def test_each_term_contributes_and_reports_its_value(folder: Path, student: StageResult) -> None:
    stage = Store(folder / "home").folder(student.stage.digest)
    steps = [
        {
            name.removeprefix("terms/"): value
            for name, value in row.values.items()
            if "terms/" in name
        }
        for row in read_committed(stage, student.outcomes[MODEL].segments)
        if row.kind == "step"
    ]
    assert all(set(step) == NAMES for step in steps)
    assert all(math.isfinite(value) and value >= 0 for step in steps for value in step.values())
    assert all(max(step[name] for step in steps) > 0 for name in NAMES)
    assert steps[-1]["levels"] < steps[0]["levels"]


def test_killed_in_the_middle_it_resumes_to_the_same_student(
    student: StageResult, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, until=6)
    again = run(tmp_path)
    assert again.stage.digest == student.stage.digest
    assert again.outcomes[MODEL].weights_sha256 == student.outcomes[MODEL].weights_sha256
