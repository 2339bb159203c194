"""Claims about what the roles of a stage are started with: specs, the ensemble, resources."""

from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pytest
from orchestrator.execution.role_specs import (
    RoleSpecs,
    device,
    ensemble_of,
    free_port,
)
from orchestrator.planning.plan import Plan

from orchestrator.home.store import Store
from orchestrator.planning.thread_allocation import Resolved, resources_of
from students.config import Resources
from students.fault_injection import Fault
from students.transfer_sets.catalog import load_transfer_set
from teachers.config import STREAMS_PER_RANK
from teachers.ensemble.ensemble import Ensemble
from teachers.ensemble.noise import Noise
from tests import small

RULE = "ensemble.weighting"
HALF = "transfer_set.labelled=0.5"
RESOLVED = Resolved(student=3, teachers={"wide": 1, "deep": 2})
SHAPES = {"wide/hidden.0": (64,)}


def role_specs(folder: Path, *overrides: str, fault: Fault | None = None) -> RoleSpecs:
    plan: Plan = small.planned(folder, *overrides)
    return RoleSpecs(plan, Store(folder / "home"), SHAPES, fault)


def test_a_rank_gets_its_student_and_its_folder(tmp_path: Path) -> None:
    made = role_specs(tmp_path)
    stage = made.plan.stage("student")
    [only] = made.assignments(stage, 4, RESOLVED)
    assert only.spec is stage.cohort[0]
    assert (only.folder, only.cache) == (tmp_path, tmp_path / "home" / "cache")
    assert only.stage_folder == tmp_path / "home" / "stages" / stage.digest
    assert (only.attempt, only.threads, only.teachers) == (4, 3, ("wide", "deep"))
    assert only.hint_shapes == SHAPES
    assert (only.group.rank, only.group.ranks, only.device, only.fault) == (0, 1, "cpu", None)


def test_ranks_of_one_student_meet_on_loopback_at_one_port(tmp_path: Path) -> None:
    made = role_specs(tmp_path, "student.engine.ranks=2", "timeouts.collective=7s")
    ranks = made.assignments(made.plan.stage("student"), 1, RESOLVED)
    assert [each.group.rank for each in ranks] == [0, 1]
    assert {each.group.ranks for each in ranks} == {2}
    [(address, port, seconds)] = {
        (each.group.address, each.group.port, each.group.timeout_seconds) for each in ranks
    }
    assert address == "127.0.0.1"
    assert port > 1023
    assert seconds == 7.0


def test_a_fault_reaches_the_stage_that_it_names_alone(tmp_path: Path) -> None:
    fault = Fault("controls.untaught", 5, group=1)
    made = role_specs(tmp_path, fault=fault)
    for name in ("student", "controls.untaught"):
        [rank] = made.assignments(made.plan.stage(name), 1, RESOLVED)
        assert rank.fault == (fault if name == fault.stage else None)


def test_a_teacher_trained_here_has_the_weights_that_its_stage_left(tmp_path: Path) -> None:
    made = role_specs(tmp_path)
    spec = made.teacher_spec("wide", threads=2)
    stage = made.plan.stage("teachers.wide").digest
    expected = tmp_path / "home" / "stages" / stage / "outcome" / "model.safetensors"
    assert spec.weights.path == str(expected)
    assert (spec.name, spec.threads, spec.device) == ("wide", 2, "cpu")
    assert spec.model == made.plan.recipe.teachers["wide"].model
    assert spec.transfer_set == made.plan.recipe.transfer_set


def test_a_loaded_teacher_has_the_recipes_own_weights(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(b"weights")
    made = role_specs(
        tmp_path,
        "teachers.wide={model: {kind: mlp, hidden: [64]}, weights: {path: w, key: ema}, "
        "precision: bf16, resources: {gpus: 1}}",
    )
    spec = made.teacher_spec("wide", threads=1)
    assert (spec.weights.path, spec.weights.key, spec.folder) == ("w", "ema", tmp_path)
    assert spec.device == "cuda"


def test_a_stage_occupies_its_students_resources_or_its_teachers(tmp_path: Path) -> None:
    made = role_specs(
        tmp_path, "student.resources.cpus=2", "teachers.wide.resources={cpus: 0.5, gpus: 1}"
    )
    cpus = {stage.name: made.resources(stage).cpus for stage in made.plan.stages}
    assert cpus == {
        "teachers.wide": 0.5, "teachers.deep": None, "student": 2.0, "controls.untaught": 2.0,
    }  # fmt: skip
    [rank] = made.assignments(made.plan.stage("teachers.wide"), 1, RESOLVED)
    assert rank.device == "cuda"


def test_a_role_occupies_as_many_cpus_as_threads_by_default() -> None:
    said, unsaid = Resources(cpus=0.5, gpus=1.0), Resources()
    assert (resources_of(unsaid, 3).cpus, resources_of(unsaid, 3).gpus) == (3.0, 0.0)
    assert (resources_of(said, 3).cpus, resources_of(said, 3, readers=2).streams) == (
        0.5,
        2 * STREAMS_PER_RANK,
    )
    assert resources_of(unsaid, 3).environment == {"OMP_NUM_THREADS": "3"}
    assert [device(each) for each in (said, unsaid)] == ["cuda", "cpu"]


def test_a_free_port_is_one_that_can_be_listened_on() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", free_port()))
        with pytest.raises(OSError, match="in use"), socket.socket() as second:
            second.bind(listening.getsockname())


def ensemble(folder: Path, *overrides: str, stage: str = "student", repeat: int = 0) -> Ensemble:
    plan: Plan = small.planned(folder, *overrides, repeats=2)
    given = load_transfer_set(plan.recipe.transfer_set, folder=folder, cache=folder / "cache")
    return ensemble_of(plan.stage(stage, repeat), plan, given)


@pytest.mark.parametrize("rule", ["uniform", "random", "max_entropy", "adaptive"])
def test_no_label_reaches_a_rule_that_does_not_read_it(tmp_path: Path, rule: str) -> None:
    assert ensemble(tmp_path, f"{RULE}={rule}", HALF).labels is None


@pytest.mark.parametrize("rule", ["confidence", "correct_only"])
def test_a_rule_sees_the_labels_that_the_student_is_given_and_no_others(
    tmp_path: Path, rule: str
) -> None:
    plan = small.planned(tmp_path, HALF)
    given = load_transfer_set(plan.recipe.transfer_set, folder=tmp_path, cache=tmp_path / "cache")
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
