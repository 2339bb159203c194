"""A student that weighs its teachers itself, from recipe to outcome."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import RecipeProblems
from orchestrator.execution.stage_works import StageResult
from orchestrator.recipe.rules.teaching import _OUTPUTS
from students.objectives.teacher_gate import Gating
from students.specs import MODEL
from students.training.learner import OWN
from tests import small
from tests.running import IN_PROCESS, committed_rows, copy_of, run_stages

GATED = ("ensemble.weighting={kind: adaptive, penalty: 0.001}", "controls=[]")
SINGLE = "controls=[untaught, single_teachers]"


def run(folder: Path, *overrides: str, until: int | None = None) -> dict[str, StageResult]:
    """The small recipe with a gate, in this process; the results by title."""
    recipe = small.loaded(folder, *IN_PROCESS, *GATED, *overrides)
    results = run_stages(recipe, folder / "home", until=until)
    return {result.stage.title: result for result in results}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gated")


@pytest.fixture(scope="module")
def whole(folder: Path) -> StageResult:
    return run(folder)["student"]


def test_each_epochs_row_has_the_gates_weights(folder: Path, whole: StageResult) -> None:
    epochs = [
        values for kind, _, values in committed_rows(folder / "home", whole) if kind == "epoch"
    ]
    assert len(epochs) == 3
    for values in epochs:
        assert values["weights/wide"] + values["weights/deep"] == pytest.approx(1)
        assert {f"weights/deep/{c}" for c in range(10)} <= values.keys()
        assert {"accuracy", "nll", "rule/changed", "rule/renamed"} <= values.keys()
    assert abs(epochs[-1]["weights/wide"] - 0.5) > abs(epochs[0]["weights/wide"] - 0.5) > 0
    assert abs(epochs[-1]["weights/wide"] - 0.5) > 0.002


def test_an_interrupted_student_resumes_to_the_same_bits(
    folder: Path, whole: StageResult, tmp_path: Path
) -> None:
    home = copy_of(folder / "home", tmp_path, without=[whole.stage.digest])
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, until=6)
    resumed = run(tmp_path)["student"]
    assert resumed.ran
    assert resumed.outcomes[MODEL].weights_sha256 == whole.outcomes[MODEL].weights_sha256
    assert committed_rows(home, resumed) == committed_rows(folder / "home", whole)


def digests(folder: Path, *overrides: str) -> dict[str, str]:
    return small.digests(small.planned(folder, *overrides))


def test_a_layer_given_and_the_same_default_layer_are_one_student(tmp_path: Path) -> None:
    def weighting(**options: Any) -> str:
        said = "".join(f", {name}: {value}" for name, value in options.items())
        return f"ensemble.weighting={{kind: adaptive{said}}}"

    plain = digests(tmp_path, weighting())
    assert digests(tmp_path, weighting(layer="hidden.0")) == plain
    assert digests(tmp_path, weighting(penalty=0.1, detached="false")) == plain
    for options in ({"penalty": 0.2}, {"detached": "true"}, {"learns_for": 2}):
        other = digests(tmp_path, weighting(**options))
        assert small.changed(plain, other) == {"student"}
    assert small.changed(plain, digests(tmp_path)) == {"student"}


def test_a_gate_is_the_students_alone(tmp_path: Path) -> None:
    plan = small.planned(tmp_path, GATED[0], SINGLE)
    specs = {stage.name: stage.cohort[0] for stage in plan.stages}
    gate = Gating(layer="hidden.0", detached=False, penalty=0.001, learns_for=None)
    assert specs.pop("student").gate == gate
    assert {spec.gate for spec in specs.values()} == {None}
    assert not any(spec.tracks_weights for spec in specs.values())


@pytest.mark.parametrize(
    ("weighting", "tracks_weights"),
    [("uniform", False), ("max_entropy", True), ("correct_only", True)],
)
def test_teacher_weights_are_recorded_where_they_differ_by_sample(
    tmp_path: Path, weighting: str, tracks_weights: bool
) -> None:
    student = small.planned(tmp_path, f"ensemble.weighting={weighting}").stage("student")
    assert student.cohort[0].tracks_weights == tracks_weights


def test_the_names_that_no_term_may_have_are_the_learners_own() -> None:
    assert _OUTPUTS == OWN


def test_two_terms_cannot_look_at_layers_under_one_name(tmp_path: Path) -> None:
    groups = "[{teacher: wide, hint: hidden.0, guided: hidden.0}]"
    many = f"student.objective.many={{kind: multi_group_hint, groups: {groups}}}"
    hint = "{kind: hint, teacher: wide, hint: hidden.0, guided: hidden.0}"
    with pytest.raises(RecipeProblems, match=r"under the name 'many#0', as `student\.objective\."):
        small.loaded(tmp_path, many, f"student.objective={{task: 1.0, many#0: {hint}}}", many)
