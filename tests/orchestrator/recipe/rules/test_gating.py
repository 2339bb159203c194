"""Rules about a gate: each problem one sentence at its place, with value and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.deep_check.deep_check import deep_check
from orchestrator.errors import RecipeProblems
from tests import small

GATE = "ensemble.weighting"
NO_HINT = "student.objective.near=null"
TORCHVISION = "student.model={kind: torchvision, name: resnet18}"


def gate(**options: object) -> str:
    message = "".join(f", {name}: {value}" for name, value in options.items())
    return f"{GATE}={{kind: adaptive{message}}}"


BAD = [
    (
        [gate(), TORCHVISION, NO_HINT],
        f"`{GATE}.layer` is not set, and for `student.model` of kind 'torchvision' the last "
        "layer before the outputs is not known; name a layer of it",
    ),
    (
        [gate(), "student.model={kind: mlp, hidden: []}", NO_HINT],
        f"`{GATE}.layer` is not set, and for `student.model` of kind 'mlp' the last layer "
        "before the outputs is not known; name a layer of it",
    ),
    (
        [gate(learns_for=3)],
        f"`{GATE}.learns_for` is 3, but `student.train.epochs` is 3, so it has no effect; lower it "
        "or take it out",
    ),
    (
        [gate(), "teachers.deep=null"],
        f"`{GATE}` is adaptive, whose gating network weighs teachers against each other, but "
        "`teachers` has only one; add a teacher, or choose uniform",
    ),
    (
        [
            "student.objective.gate={kind: hint, teacher: wide, hint: hidden.0, "
            "guided: hidden.0, weight: 0.1}"
        ],
        "`student.objective.gate` reads a layer under the name 'gate', which the student in "
        "training uses itself; rename the term",
    ),
]


@pytest.mark.parametrize(("overrides", "sentence"), BAD)
def test_a_bad_gate_is_reported_in_one_sentence(
    tmp_path: Path, overrides: list[str], sentence: str
) -> None:
    with pytest.raises(RecipeProblems) as found:
        small.loaded(tmp_path, *overrides)
    assert [problem.message for problem in found.value.problems] == [sentence]


@pytest.mark.parametrize(
    "overrides",
    [
        [gate()],
        [gate(layer="layer4"), TORCHVISION, NO_HINT],
        [gate(learns_for=2, detached="true", penalty=0)],
        ["student.objective.gate={kind: task, weight: 0.1}", "student.objective.task=null"],
    ],
)
def test_a_good_gate_is_accepted(tmp_path: Path, overrides: list[str]) -> None:
    small.loaded(tmp_path, *overrides)


@pytest.mark.parametrize(
    ("layer", "words"),
    [("hiden.0", "such as 'hidden.0'"), ("hidden.0.dropuot", "hidden.0.dropout")],
)
def test_a_layer_that_is_not_there_is_found_before_the_run(
    tmp_path: Path, layer: str, words: str
) -> None:
    read = small.loaded(tmp_path, gate(layer=layer))
    [problem] = deep_check(read, tmp_path / "cache").problems
    assert problem.path == f"{GATE}.layer"
    assert f"'{layer}'" in problem.message
    assert words in problem.message
