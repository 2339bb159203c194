"""What a stage's ensemble is told: its noise and seed, and labels only where a rule needs them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from orchestrator.execution.role_specs import ensemble_of
from orchestrator.planning.plan import Plan
from students.transfer_sets.catalog import load_transfer_set
from teachers.config import Noise
from teachers.ensemble.ensemble import Ensemble
from tests import small

RULE = "ensemble.weighting"
HALF = "transfer_set.labelled=0.5"


def made(folder: Path, *overrides: str, stage: str = "student", repeat: int = 0) -> Ensemble:
    plan: Plan = small.planned(folder, *overrides, repeats=2)
    given = load_transfer_set(plan.recipe.transfer_set, folder=folder, cache=folder / "cache")
    return ensemble_of(plan.stage(stage, repeat), plan, given)


@pytest.mark.parametrize("rule", ["uniform", "random", "max_entropy", "adaptive"])
def test_no_label_reaches_a_rule_that_does_not_look_at_it(tmp_path: Path, rule: str) -> None:
    assert made(tmp_path, f"{RULE}={rule}", HALF).labels is None


@pytest.mark.parametrize("rule", ["confidence", "correct_only"])
def test_a_rule_sees_the_labels_that_the_student_is_given_and_no_others(
    tmp_path: Path, rule: str
) -> None:
    plan = small.planned(tmp_path, HALF)
    given = load_transfer_set(plan.recipe.transfer_set, folder=tmp_path, cache=tmp_path / "cache")
    labels = made(tmp_path, f"{RULE}={rule}", HALF).labels
    assert labels is not None
    hidden = np.setdiff1d(given.student_ids(), given.labelled)
    assert len(hidden) > 50
    assert set(labels[hidden].tolist()) == {-1}
    assert np.array_equal(labels[given.labelled], given.targets[given.labelled])


def test_a_single_teacher_is_weighed_by_nothing_and_keeps_its_noise(tmp_path: Path) -> None:
    settings = (f"{RULE}=correct_only", "ensemble.noise={}", "controls=[single_teachers]")
    whole = made(tmp_path, *settings)
    alone = made(tmp_path, *settings, stage="controls.single_teachers.deep")
    assert (whole.names, alone.names) == (("wide", "deep"), ("deep",))
    assert (whole.weighting.kind, alone.weighting.kind) == ("correct_only", "uniform")
    assert whole.noise == alone.noise == Noise()
    assert whole.seed == alone.seed
    assert alone.labels is None


def test_each_repeat_has_draws_of_its_own(tmp_path: Path) -> None:
    seeds = {made(tmp_path, "ensemble.noise={}", repeat=repeat).seed for repeat in (0, 1)}
    other = made(tmp_path, "ensemble.noise={}", "seed=8").seed
    assert len(seeds | {other}) == 3
