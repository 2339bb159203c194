"""What is refused and noted of a path that is chosen among candidates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import RecipeProblems
from orchestrator.recipe.advice import notes
from tests import small
from tests.orchestrator.planning.test_chosen_path import BOTH, auto
from tests.orchestrator.planning.test_schedules import SMALLER, SMALLEST

LOADED: dict[str, Any] = {
    "model": {"kind": "mlp", "hidden": [64]},
    "weights": {"path": "one.pt"},
    "threads": 1,
}


def problems(
    folder: Path, *overrides: str, teacher: dict[str, Any] | None = None
) -> dict[str, str]:
    data = small.recipe()
    data["teachers"] |= {} if teacher is None else {"loaded": teacher}
    try:
        small.loaded(folder, *overrides, data=data)
    except RecipeProblems as found:
        return {problem.path: problem.message for problem in found.problems}
    return {}


def schedule(**options: str) -> str:
    given = ", ".join(f"{name}: {value}" for name, value in options.items())
    return f"schedule={{kind: assistants, {given}}}"


@pytest.mark.parametrize(
    ("overrides", "path", "parts"),
    [
        ([schedule(path="auto")], "schedule.path",
         ["is 'auto', but `schedule.candidates` is empty", "or give a path"]),
        ([schedule(candidates=f"[{SMALLER}]")], "schedule.candidates",
         ["has no effect, since `schedule.path` is a list", "or write `path: auto`"]),
        ([schedule(path=f"[{SMALLER}]", candidates=f"[{SMALLEST}]")], "schedule.candidates",
         ["has no effect"]),
        ([BOTH, "transfer_set.validation=none"], "schedule.path",
         ["`transfer_set.validation` is 'none'; give it a share"]),
        ([BOTH, "transfer_set.labelled=0", "student.objective.task=null", "controls=[]"],
         "schedule.path", ["trained on labels alone", "`transfer_set.labelled` is 0"]),
        ([auto(SMALLER, SMALLEST, SMALLER)], "schedule.candidates.2",
         ["is the same candidate as `schedule.candidates.0`; take one of them out"]),
        ([auto(SMALLER, "{kind: mlp, depth: 1, width: 32}")], "schedule.candidates.1",
         ["is the same candidate as `schedule.candidates.0`"]),
        ([schedule(path="autoo")], "schedule.path",
         ["is 'autoo', but must be 'auto', or a list, each entry"]),
        ([schedule(path="[{kind: mlp, hidden: [-3]}]")], "schedule.path.0.model.hidden.0",
         ["is -3, but must be a whole number"]),
        ([auto("{kind: mlp, hidden: [-3]}")], "schedule.candidates.0.model.hidden.0",
         ["is -3, but must be a whole number"]),
        ([auto("{kind: mpl, hidden: [3]}")], "schedule.candidates.0.model",
         ["is of kind 'mpl', which does not exist; did you mean 'mlp'?"]),
        ([auto("{model: {kind: mlp, hidden: [32]}, train: {epochs: 0}}")],
         "schedule.candidates.0.train.epochs", ["is 0"]),
        ([auto("{model: {kind: mlp, hidden: [32]}, objective: {task: 1.0}}")], "schedule.path",
         ["an objective uses nothing of 'the teachers'"]),
        ([BOTH, "student.objective.look={kind: hint, teacher: assistants.1, hint: hidden.0, "
          "guided: hidden.0}"],
         "student.objective.look.teacher", ["is 'assistants.1', which is not one of `teachers`"]),
        ([BOTH, "schedule.anchors=3"], "schedule.anchors",
         ["is not a setting of kind 'assistants', but of route"]),
    ],
)  # fmt: skip
def test_what_cannot_be_chosen_is_refused_at_its_place(
    tmp_path: Path, overrides: list[str], path: str, parts: list[str]
) -> None:
    found = problems(tmp_path, *overrides)
    assert list(found) == [path]
    for part in parts:
        assert part in found[path]


def test_teachers_that_may_have_seen_the_validation_part_are_refused(tmp_path: Path) -> None:
    found = problems(tmp_path, BOTH, teacher=LOADED)
    assert list(found) == ["schedule.path"]
    assert "but `teachers.loaded.seen` is 'train'" in found["schedule.path"]
    assert "write `seen: none` if they have not" in found["schedule.path"]
    assert problems(tmp_path, BOTH, teacher={**LOADED, "seen": "none"}) == {}


def test_candidates_may_differ_in_their_training_alone(tmp_path: Path) -> None:
    longer = f"{{model: {SMALLER}, train: {{epochs: 9}}}}"
    assert problems(tmp_path, auto(SMALLER, longer)) == {}


def noted(folder: Path, *overrides: str) -> list[str]:
    return list(notes(small.loaded(folder, *overrides).recipe))


def test_one_candidate_alone_and_the_students_own_model_are_noted(tmp_path: Path) -> None:
    assert noted(tmp_path, BOTH) == []
    [alone] = noted(tmp_path, auto(SMALLER))
    assert alone.startswith("`schedule.candidates` has one model, which is taken whatever its")
    [own] = noted(tmp_path, auto(SMALLER, "{kind: mlp, hidden: [16], dropout: 0.1}"))
    assert own.startswith("`schedule.candidates.1` is the student's own model")
