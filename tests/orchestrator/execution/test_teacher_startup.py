"""Claims about which teachers of a stage are started, and the ensemble that they make."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from orchestrator.execution.stage_teacher import StageTeacher
from orchestrator.execution.teacher_startup import TeacherStartup, _ensemble
from orchestrator.home.store import Store
from orchestrator.planning.thread_allocation import Resolved
from students.transfer_sets.catalog import load_transfer_set
from teachers.ensemble.ensemble import Ensemble
from teachers.ensemble.noise import Noise
from teachers.inference.inference_config import plain
from tests import small

RULE = "ensemble.weighting"
HALF = "transfer_set.labelled=0.5"


def ensemble(folder: Path, *overrides: str, stage: str = "student", repeat: int = 0) -> Ensemble:
    graph = small.planned(folder, *overrides, repeats=2)
    given = load_transfer_set(graph.data.transfer_set, folder=folder, cache=folder / "cache")
    return _ensemble(graph.stage(stage, repeat), given)


@pytest.mark.parametrize("rule", ["uniform", "random", "max_entropy", "adaptive"])
def test_no_label_reaches_a_rule_that_does_not_read_it(tmp_path: Path, rule: str) -> None:
    assert ensemble(tmp_path, f"{RULE}={rule}", HALF).labels is None


@pytest.mark.parametrize("rule", ["confidence", "correct_only"])
def test_a_rule_sees_the_labels_that_the_student_is_given_and_no_others(
    tmp_path: Path, rule: str
) -> None:
    data = small.planned(tmp_path, HALF).data
    given = load_transfer_set(data.transfer_set, folder=tmp_path, cache=tmp_path / "cache")
    labels = ensemble(tmp_path, f"{RULE}={rule}", HALF).labels
    assert labels is not None
    hidden = np.setdiff1d(given.student_ids, given.labelled)
    assert len(hidden) > 50
    assert set(labels[hidden].tolist()) == {-1}
    assert np.array_equal(labels[given.labelled], given.targets[given.labelled])


def test_a_single_teacher_has_weight_one_and_keeps_its_noise(tmp_path: Path) -> None:
    settings = (f"{RULE}=correct_only", "ensemble.noise={}", "controls=[single_teachers]")
    whole = ensemble(tmp_path, *settings)
    alone = ensemble(tmp_path, *settings, stage="controls.single_teachers.deep")
    assert (whole.names, alone.names) == (("wide", "deep"), ("deep",))
    assert (whole.weighting.kind, alone.weighting.kind) == ("correct_only", "uniform")
    assert whole.noise == alone.noise == Noise()
    assert whole.seed == alone.seed
    assert alone.labels is None


def test_each_repeat_has_draws_of_its_own(tmp_path: Path) -> None:
    seeds = {ensemble(tmp_path, "ensemble.noise={}", repeat=repeat).seed for repeat in (0, 1)}
    other = ensemble(tmp_path, "ensemble.noise={}", "seed=8").seed
    assert len(seeds | {other}) == 3


class Answered(StageTeacher):
    """A teacher all of whose answers are stored."""

    config = plain(1)  # type: ignore[assignment]
    is_answered = True  # type: ignore[assignment]

    @property
    def folder(self) -> Path:
        return Path("shelf")

    def spec(self, threads: int):  # type: ignore[no-untyped-def]
        return (self.ref.name, threads)


def test_only_teachers_that_must_compute_are_started_each_replica_on_its_resources(
    tmp_path: Path,
) -> None:
    graph = small.planned(tmp_path, "teachers.wide.replicas=2", "teachers.wide.resources.cpus=0.5")
    stage = graph.stage("student")
    data = load_transfer_set(graph.data.transfer_set, folder=tmp_path, cache=tmp_path / "cache")
    teachers = [Answered(stage, ref, Store(tmp_path), data) for ref in stage.teachers]
    resolved = Resolved(student=1, teachers={"wide": 3, "deep": 1})
    assert TeacherStartup(stage, teachers, resolved, start_all=False).wanted(cores=2) == []
    wide, again, deep = TeacherStartup(stage, teachers, resolved, start_all=True).wanted(cores=2)
    assert [each.title for each in (wide, again, deep)] == [
        "teacher wide", "teacher wide, replica 1", "teacher deep",
    ]  # fmt: skip
    assert (wide.replica, again.replica, wide.demand.cpus) == (0, 1, 0.5)
    assert wide.spec == ("wide", 3)
    assert wide.demand.environment == {"OMP_NUM_THREADS": "3"}


def test_a_teacher_that_is_run_in_another_way_by_now_is_started(tmp_path: Path) -> None:
    graph = small.planned(tmp_path)
    stage = graph.stage("student")
    data = load_transfer_set(graph.data.transfer_set, folder=tmp_path, cache=tmp_path / "cache")
    teachers = [Answered(stage, ref, Store(tmp_path), data) for ref in stage.teachers]
    first = {"wide": plain(1).to_json(), "deep": plain(2).to_json()}
    resolved = Resolved(student=1, teachers={"wide": 1, "deep": 2}, manners=first)
    startup = TeacherStartup(stage, teachers, resolved, start_all=False)
    assert startup.configs == {"wide": plain(1), "deep": plain(2)}
    assert [each.title for each in startup.wanted(cores=2)] == ["teacher deep"]
