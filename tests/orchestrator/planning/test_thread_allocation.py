"""How cores are shared out among the roles that work at once, and how many there must be."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.planning.graph import Graph
from orchestrator.planning.planner import make_plan
from orchestrator.planning.thread_allocation import (
    logical_cpus,
    resolve,
    resources_of,
    roles_of,
    stages_at_once,
)
from students.config import Resources
from teachers.inference.inference_config import plain
from tests import small

AUTO = tuple(
    f"{place}=auto"
    for place in (
        "student.train.threads", "teachers.wide.threads", "teachers.deep.threads",
        "teachers.wide.train.threads", "teachers.deep.train.threads",
    )
)  # fmt: skip


def graph(folder: Path, *overrides: str) -> Graph:
    return small.planned(folder, *AUTO, *overrides)


@pytest.mark.parametrize(
    ("cores", "student", "teacher"),
    [
        # The student's 3 roles beside at least its control's one; a teacher beside the others.
        (1, 1, 1), (2, 1, 1), (4, 1, 1), (8, 2, 2), (16, 4, 5), (64, 16, 21),
    ],
)  # fmt: skip
def test_cores_are_divided_among_roles_that_work_at_once(
    tmp_path: Path, cores: int, student: int, teacher: int
) -> None:
    made = graph(tmp_path)
    resolved = resolve(made.stage("student"), cores)
    assert resolved == {"student": student, "teachers": {"wide": student, "deep": student}}
    assert resolve(made.stage("teachers.wide"), cores)["student"] == teacher


@pytest.mark.parametrize("cores", [2, 8, 16, 64])
def test_a_stage_has_the_same_threads_however_many_repeats_there_are(
    tmp_path: Path, cores: int
) -> None:
    loaded = small.loaded(tmp_path, *AUTO)
    once, often = (
        make_plan(loaded.recipe, folder=tmp_path, cache=tmp_path / "cache", repeats=repeats)
        for repeats in (1, 5)
    )
    for stage in once.stages:
        assert resolve(stage, cores) == resolve(often.stage(stage.name), cores)
    assert resolve(often.stage("student", 4), cores) == resolve(once.stage("student"), cores)


def test_a_teacher_answers_all_stages_on_the_same_threads(tmp_path: Path) -> None:
    made = graph(tmp_path, "controls=[single_teachers]", "teachers.wide.replicas=4")
    alone = resolve(made.stage("controls.single_teachers.deep"), 64)
    assert alone["teachers"]["deep"] == resolve(made.stage("student"), 64)["teachers"]["deep"]
    assert alone["student"] > alone["teachers"]["deep"]


def test_a_teacher_whose_config_is_stored_keeps_its_threads(tmp_path: Path) -> None:
    made = graph(tmp_path)
    resolved = resolve(made.stage("student"), 12, {"wide": plain(5)})
    # Beside the roles of the stage there is its control.
    assert resolved == {"student": 3, "teachers": {"wide": 5, "deep": 3}}


def test_a_given_number_holds_on_any_machine(tmp_path: Path) -> None:
    made = graph(tmp_path, "student.train.threads=3", "teachers.deep.threads=5")
    for cores in (1, 64):
        resolved = resolve(made.stage("student"), cores)
        assert resolved["student"] == 3
        assert resolved["teachers"]["deep"] == 5


def test_replicas_and_ranks_are_roles(tmp_path: Path) -> None:
    made = graph(tmp_path, "teachers.wide.replicas=3", "student.engine.ranks=2")
    assert roles_of(made.stage("student")) == 2 + 3 + 1
    assert roles_of(made.stage("controls.untaught")) == 2
    assert roles_of(made.stage("teachers.wide")) == 1
    alone = graph(tmp_path, "controls=[]", "teachers.wide.replicas=3")
    # Alone: nothing runs beside it, for its teachers are done by then.
    assert resolve(alone.stage("student"), 10)["student"] == 2


def test_a_loaded_teacher_is_evaluated_on_its_own_threads(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(b"weights")
    loaded = ("teachers.wide.train=null", "teachers.wide.weights=w", "teachers.wide.threads=3")
    made = graph(tmp_path, *loaded)
    assert resolve(made.stage("teachers.wide"), 64) == {"student": 3, "teachers": {}}


def test_a_role_occupies_as_many_cpus_as_threads_by_default() -> None:
    said, unsaid = Resources(cpus=0.5, gpus=1.0), Resources()
    assert (resources_of(unsaid, 3).cpus, resources_of(unsaid, 3).gpus) == (3.0, 0.0)
    assert (resources_of(said, 3).cpus, resources_of(said, 3).gpus) == (0.5, 1.0)
    assert resources_of(unsaid, 3, counted=1).cpus == 1.0, "chosen on another machine"
    assert resources_of(unsaid, 3).environment == {"OMP_NUM_THREADS": "3"}


def test_at_least_two_stages_run_at_once() -> None:
    assert [stages_at_once(cores) for cores in (1, 2, 8)] == [2, 2, 8]


def test_there_are_as_many_cpus_as_the_busiest_stages_need(tmp_path: Path) -> None:
    made = graph(tmp_path)
    # The student with two teachers, and beside it its control.
    assert logical_cpus(made.stages, cores=1) == logical_cpus(made.stages, cores=2) == 3 + 1
    assert logical_cpus(made.stages, cores=64) >= 64
    assert logical_cpus(graph(tmp_path, "student.resources.cpus=2.5").stages, 2) == 2 * 2.5 + 2
    many = graph(tmp_path, "teachers.wide.replicas=4", "student.engine.ranks=2")
    assert logical_cpus(many.stages, cores=2) == 2 + 4 + 1 + 2
