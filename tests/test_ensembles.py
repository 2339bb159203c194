"""Every way of combining teachers, from recipe to student: it has an effect and resumes exactly."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from cluster.ray.local_runtime import LocalRuntime
from orchestrator.execution.stage_works import StageResult
from students.specs import MODEL
from tests import small
from tests.running import IN_PROCESS, committed_rows, copy_of, run_stages

RULE = "ensemble.weighting"
NOISE = "ensemble.noise={probability: 0.7, sigma: 0.5}"
ALONE = ("teachers.deep=null",)
"""The hint stays, since virtual teachers share the layer of their teacher."""

COMBINATIONS: Mapping[str, tuple[str, ...]] = {
    "fixed": (f"{RULE}={{kind: fixed, weights: {{wide: 0.9, deep: 0.1}}}}",),
    "random by sample": (f"{RULE}=random",),
    "random by batch": (f"{RULE}={{kind: random, per: batch, weights: {{wide: 0.2, deep: 0.8}}}}",),
    "max_entropy": (f"{RULE}=max_entropy",),
    "min_entropy": (f"{RULE}=min_entropy",),
    "confidence": (f"{RULE}=confidence", "transfer_set.labelled=0.7"),
    "correct_only": (f"{RULE}=correct_only", "transfer_set.labelled=0.7"),
    "noise": (NOISE,),
    "noise before a rule": (NOISE, f"{RULE}=max_entropy", "ensemble.mean=geometric"),
    "virtual": ("ensemble.noise={probability: 0.7, sigma: 0.5, virtual: 3}", *ALONE),
}


def run(
    folder: Path, *overrides: str, until: int | None = None, on_ray: bool = False
) -> StageResult:
    """The student of the small recipe, in this process or on Ray."""
    mode = ("student.engine.kind=torch",) if on_ray else IN_PROCESS
    if "teachers.deep=null" in overrides:
        mode = tuple(each for each in mode if "deep" not in each)
    recipe = small.loaded(folder, *mode, "controls=[]", *overrides)
    return run_stages(recipe, folder / "home", until=until)[-1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One home for all tests: teachers are trained once, and their answers computed once."""
    return tmp_path_factory.mktemp("ensembles")


@pytest.fixture(scope="module")
def plain(folder: Path) -> Mapping[bool, str]:
    """The weights of the student of all teachers, and of one alone, under the defaults."""
    return {
        False: run(folder).outcomes[MODEL].weights_sha256,
        True: run(folder, *ALONE).outcomes[MODEL].weights_sha256,
    }


@pytest.mark.parametrize("combination", COMBINATIONS)
def test_a_combination_changes_the_student_and_resumes_to_the_same_bits(
    folder: Path, plain: Mapping[bool, str], combination: str
) -> None:
    settings = COMBINATIONS[combination]
    whole = run(folder, *settings)
    assert whole.outcomes[MODEL].weights_sha256 != plain[ALONE[0] in settings]
    rows = committed_rows(folder / "home", whole)
    shutil.rmtree(folder / "home" / "stages" / whole.stage.digest)
    with pytest.raises(KeyboardInterrupt):
        run(folder, *settings, until=6)
    resumed = run(folder, *settings)
    assert resumed.ran
    assert resumed.outcomes[MODEL].weights_sha256 == whole.outcomes[MODEL].weights_sha256
    assert committed_rows(folder / "home", resumed) == rows


def test_noise_and_draws_are_the_same_with_and_without_a_bank(folder: Path, tmp_path: Path) -> None:
    settings = (*COMBINATIONS["noise"], f"{RULE}=random")
    kept = run(folder, *settings)
    copy_of(folder / "home", tmp_path, without=["bank", kept.stage.digest])
    live = run(tmp_path, *settings, "ensemble.bank=none")
    assert live.stage.digest == kept.stage.digest
    assert live.ran
    assert live.outcomes[MODEL].weights_sha256 == kept.outcomes[MODEL].weights_sha256


@pytest.mark.slow
def test_ray_gives_the_same_bits_as_one_process(
    folder: Path, local_runtime: LocalRuntime, tmp_path: Path
) -> None:
    settings = (*COMBINATIONS["correct_only"], NOISE)
    here = run(folder, *settings)
    copy_of(folder / "home", tmp_path, without=["bank", here.stage.digest])
    there = run(tmp_path, *settings, on_ray=True)
    assert there.ran
    assert there.outcomes[MODEL].weights_sha256 == here.outcomes[MODEL].weights_sha256


def test_another_repeat_has_other_draws(folder: Path) -> None:
    """Each repeat has seeds of its own for student and draws, so that repeats are independent."""
    plans = [small.planned(folder, *settings, repeats=2) for settings in ((NOISE,), ())]
    seeds = [
        [plan.stage("student", repeat).fingerprint["ensemble"].get("seed") for repeat in (0, 1)]
        for plan in plans
    ]
    assert seeds[0][0] != seeds[0][1]
    assert seeds[1] == [None, None]
