"""Claims about what a stage is expected to take: what is new is computed once, the rest read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.planning.plan import Stage
from orchestrator.profiling.stage_estimate import Expectation, Extent, Parts, StudentCosts
from orchestrator.profiling.throughput_model import BankCosts, role
from orchestrator.profiling.workload import extents
from students.transfer_sets.catalog import load_transfer_set
from tests import small

STUDENT = StudentCosts(1000.0, 5000.0, 0.0, threads=1)
UNTAUGHT = replace(STUDENT, rate=2000.0)


def parts(bank: BankCosts | None, teachers: tuple[str, ...] = ("wide", "deep")) -> Parts:
    each = {name: role(100.0, threads=1, processes=1, cores=64) for name in teachers}
    specs = {"student": STUDENT, "controls.untaught": UNTAUGHT}
    specs |= {f"teachers.{name}": StudentCosts(50.0, 100.0, 0.1, 1) for name in teachers}
    return Parts(specs, STUDENT, each, {}, bank, cores=64, parallel=True)


def expected(folder: Path, *overrides: str, repeats: int = 1, bank: bool = True):
    plan = small.planned(folder, *overrides, repeats=repeats)
    data = load_transfer_set(plan.recipe.transfer_set, folder=folder, cache=folder / "cache")
    found = Expectation(parts(BankCosts(0.0, 0.0) if bank else None), extents(plan, data))
    return {stage.name: stage for stage, _ in found.of(plan.stages)}


def test_each_answer_is_computed_once_for_each_view(tmp_path: Path) -> None:
    found = expected(tmp_path, "transfer_set.views=1")["student"]
    samples = 4 * 64 * 3  # 249 samples in batches of 64, three epochs
    assert found.asked == 2 * 249
    assert found.read == 2 * samples - found.asked


def test_where_every_epoch_has_its_own_view_all_is_computed(tmp_path: Path) -> None:
    every = expected(tmp_path, "transfer_set.views=all")["student"]
    none = expected(tmp_path, "transfer_set.augment=none")["student"]
    assert every.asked == 3 * none.asked


def test_the_second_seed_finds_what_the_first_has_stored(tmp_path: Path) -> None:
    found = expected(tmp_path, repeats=2)
    assert found["student"].asked > 0
    assert found["student#2"].asked == 0
    assert found["student#2"].seconds < found["student"].seconds


def test_without_a_bank_every_seed_asks_for_everything(tmp_path: Path) -> None:
    found = expected(tmp_path, repeats=2, bank=False)
    assert found["student"].asked == found["student#2"].asked == 2 * 4 * 64 * 3
    assert found["student"].read == 0


def test_a_stage_takes_its_steps_its_validations_and_its_checkpoints() -> None:
    extent = Extent(samples=1000, epochs=4, commits=4, validation=100, test=300)
    costs = StudentCosts(rate=100.0, asking_rate=200.0, commit_seconds=0.5, threads=1)
    found = Expectation(
        Parts({"teachers.wide": costs}, costs, {}, {}, None, 1, parallel=True),
        {"teachers.wide": extent},
    )
    ((one, work),) = found.of([Stage("teachers.wide", "teach", {"model": "any"})])
    assert one.seconds == pytest.approx(1000 / 100 + (4 * 100 + 400) / 200 + 4 * 0.5)
    assert work.core_seconds == pytest.approx(one.seconds)
    assert one.samples_per_second == 100.0


def test_a_stage_with_processes_of_its_own_begins_with_their_start() -> None:
    extent = Extent(samples=1000, epochs=1, commits=0, validation=0, test=0)
    costs = StudentCosts(rate=100.0, asking_rate=200.0, commit_seconds=0.5, threads=1)
    parts = Parts({"a": costs}, costs, {}, {}, None, 2, parallel=True, start_seconds=4.0)
    ((one, work),) = Expectation(parts, {"a": extent}).of([Stage("a", "teach", {"model": "any"})])
    assert one.seconds == work.core_seconds == pytest.approx(10.0 + 4.0)
    assert one.samples_per_second == 100.0, "a rate is that of the steps"
