"""Claims about what the ranks of a stage are started with, and what they occupy."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

from cluster.in_process import InProcessRuntime
from orchestrator.execution.stage_runner import Attempt, StageRunner
from orchestrator.execution.teacher_pool import TeacherPool
from orchestrator.home.store import Store
from orchestrator.planning.graph import Graph
from orchestrator.planning.stage import Stage
from orchestrator.planning.thread_allocation import Resolved
from students.specs import Assignment, StageOutput
from tests import small

RESOLVED = Resolved(student=3, teachers={"wide": 1, "deep": 2})
SHAPES = {"wide/hidden.0": (64,)}
ATTEMPT = Attempt(4, RESOLVED, lambda event: None, threading.Event())


def runner(folder: Path) -> StageRunner:
    runtime = InProcessRuntime()
    return StageRunner(Store(folder / "home"), TeacherPool(runtime), cores=2)


def assignments(folder: Path, stage: Stage) -> list[Assignment]:
    return list(runner(folder)._assignments(stage, ATTEMPT))


def test_a_rank_gets_its_student_and_its_folder(tmp_path: Path) -> None:
    stage = replace(small.planned(tmp_path).stage("student"), hint_shapes=SHAPES)
    [only] = assignments(tmp_path, stage)
    assert only.spec == stage.cohort[0]
    assert (only.data.folder, only.data.cache) == (tmp_path, tmp_path / "home" / "cache")
    assert only.stage_folder == tmp_path / "home" / "stages" / stage.digest
    assert (only.attempt, only.threads, only.teachers) == (4, 3, ("wide", "deep"))
    assert only.hint_shapes == SHAPES
    assert (only.group.rank, only.group.ranks, only.device) == (0, 1, "cpu")


def test_a_student_that_starts_from_a_stage_gets_the_file_of_its_weights(tmp_path: Path) -> None:
    stage = small.planned(tmp_path).stage("student")
    spec = replace(stage.cohort[0], weights=StageOutput("d" * 32, "early"))
    [only] = assignments(tmp_path, replace(stage, cohort=(spec,)))
    file = Store(tmp_path / "home").folder("d" * 32) / "outcome" / "early" / "model.safetensors"
    assert only.spec.weights is not None
    assert not isinstance(only.spec.weights, StageOutput)
    assert only.spec.weights.path == str(file)


def test_ranks_of_one_student_meet_on_loopback_at_one_port(tmp_path: Path) -> None:
    graph = small.planned(tmp_path, "student.engine.ranks=2", "timeouts.collective=7s")
    ranks = assignments(tmp_path, graph.stage("student"))
    assert [each.group.rank for each in ranks] == [0, 1]
    assert {each.group.ranks for each in ranks} == {2}
    [(address, port, seconds)] = {
        (each.group.address, each.group.port, each.group.timeout_seconds) for each in ranks
    }
    assert address == "127.0.0.1"
    assert port > 1023
    assert seconds == 7.0


def test_a_stage_occupies_its_students_resources_or_its_teachers(tmp_path: Path) -> None:
    graph: Graph = small.planned(
        tmp_path, "student.resources.cpus=2", "teachers.wide.resources={cpus: 0.5, gpus: 1}"
    )
    cpus = {stage.name: stage.resources.cpus for stage in graph.stages}
    assert cpus == {
        "teachers.wide": 0.5, "teachers.deep": None, "student": 2.0, "controls.untaught": 2.0,
    }  # fmt: skip
    demands = {stage.name: runner(tmp_path)._demands(stage, ATTEMPT) for stage in graph.stages}
    assert [each.cpus for each in demands["student"]] == [2.0]
    [deep] = demands["teachers.deep"]
    assert deep.cpus == 1.0, "what this machine would choose"
    assert deep.environment == {"OMP_NUM_THREADS": "3"}, "what was resolved at the first attempt"
    [rank] = assignments(tmp_path, graph.stage("teachers.wide"))
    assert rank.device == "cuda"
