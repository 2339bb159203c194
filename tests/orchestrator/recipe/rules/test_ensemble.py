"""Rules about how teachers are combined: each problem is one sentence at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import RecipeProblems
from tests import small

RULE = "ensemble.weighting"
NO_HINT = "student.objective.near=null"
ALONE = ("teachers.deep=null", NO_HINT)
HINT_ALONE = ("student.objective.soft_targets=null", "student.objective.task=null")
NO_LABELS = ("transfer_set.labelled=0", "student.objective.task=null", "controls=[]")


def weights(kind: str, **shares: float) -> str:
    message = ", ".join(f"{name}: {share}" for name, share in shares.items())
    return f"{RULE}={{kind: {kind}, weights: {{{message}}}}}"


BAD = [
    (
        [weights("fixed", wide=0.5, deep=0.4)],
        f"`{RULE}.weights` sum to 0.9; make them sum to 1",
    ),
    (
        [weights("fixed", wide=3, deep=1)],
        f"`{RULE}.weights` sum to 4; make them sum to 1",
    ),
    (
        [weights("random", wide=0, deep=0)],
        f"`{RULE}.weights` sum to 0; make them sum to 1",
    ),
    (
        [weights("fixed", wide=0.5, deep=0.4, dee=0.1)],
        f"`{RULE}.weights.dee` is the weight of a teacher that `teachers` does not have; did "
        "you mean `deep`?",
    ),
    (
        [weights("random", wide=1)],
        f"`{RULE}.weights` has no weight for deep of `teachers`; give each one (0 leaves a teacher "
        "out)",
    ),
    (
        [weights("fixed", wide=1.5, deep=-0.5)],
        f"`{RULE}.weights.deep` is -0.5, but must be a number of at least 0; give that",
    ),
    ([f"{RULE}={{kind: fixed}}"], f"`{RULE}.weights` is missing; give "),
    ([f"{RULE}=entropy"], f"`{RULE}` is of kind 'entropy', which does not exist; did you mean "),
    ([f"{RULE}={{kind: random, per: epoch}}"], f"`{RULE}.per` is 'epoch', but must be "),
    (
        [f"{RULE}=max_entropy", *ALONE],
        f"`{RULE}` is max_entropy, but `teachers` has only one, so it has no effect; add a "
        "teacher, or choose uniform",
    ),
    (
        [f"{RULE}=adaptive", *ALONE],
        f"`{RULE}` is adaptive, whose gating network weighs teachers against each other, but "
        "`teachers` has only one; add a teacher, or choose uniform",
    ),
    (
        [weights("fixed", wide=1), *ALONE],
        f"`{RULE}` is fixed, but `teachers` has only one, so it has no effect; ",
    ),
    (
        [f"{RULE}=correct_only", *NO_LABELS],
        f"`{RULE}` is correct_only, which needs labels, but `transfer_set.labelled` is 0; "
        "choose another rule, or give labels",
    ),
    ([f"{RULE}=confidence", *NO_LABELS], f"`{RULE}` is confidence, which needs labels, but "),
    (
        [f"{RULE}=random", *HINT_ALONE],
        f"`{RULE}` is random, but no term of `student.objective` uses the teachers' combined "
        "answer, so it has no effect; choose uniform, or add soft_targets",
    ),
    ([f"{RULE}=adaptive", *HINT_ALONE], f"`{RULE}` is adaptive, but no term of "),
    (
        ["ensemble.noise={probability: 1.5}"],
        "`ensemble.noise.probability` is 1.5, but must be a number from 0 to 1; give that, or "
        "leave it out for 0.5",
    ),
    (
        ["ensemble.noise={sigma: -0.1}"],
        "`ensemble.noise.sigma` is -0.1, but must be a number from 0 to 5; ",
    ),
    (["ensemble.noise={virtual: 0}"], "`ensemble.noise.virtual` is 0, but must be a whole number "),
    (["ensemble.noise={size: 1}"], "`ensemble.noise.size` is not a setting; "),
    (["ensemble.noise=0.5"], "`ensemble.noise` is 0.5, but must be "),
    (
        ["ensemble.noise={probability: 0}"],
        "`ensemble.noise.probability` is 0, which adds no noise; raise it, or write "
        "`ensemble.noise` none",
    ),
    (["ensemble.noise={sigma: 0}"], "`ensemble.noise.sigma` is 0, which adds no noise; "),
    (
        ["ensemble.noise={virtual: 3}"],
        "`ensemble.noise.virtual` is 3, which makes several teachers from a single one, but "
        "`teachers` has 2; take it out, or leave only one teacher",
    ),
    (
        ["ensemble.noise={}", *HINT_ALONE],
        "`ensemble.noise` changes the teachers' combined answer, which no term of "
        "`student.objective` uses, so it has no effect; write none, or add soft_targets",
    ),
]

GOOD = [
    [weights("fixed", wide=0.7, deep=0.3)],
    [weights("fixed", wide=0, deep=1)],
    [weights("random", wide=0.9999995, deep=0)],
    [f"{RULE}=random"],
    [f"{RULE}={{kind: random, per: batch}}"],
    [f"{RULE}=max_entropy"],
    [f"{RULE}=min_entropy", *NO_LABELS],
    [f"{RULE}=confidence"],
    [f"{RULE}=correct_only", "transfer_set.labelled=0.1", "student.objective.task=null"],
    ["ensemble.noise={}"],
    ["ensemble.noise={probability: 1, sigma: 2.5}"],
    ["ensemble.noise={virtual: 4}", *ALONE],
    ["ensemble.noise={}", "controls=[single_teachers]"],
]


def messages(folder: Path, *overrides: str) -> list[str]:
    try:
        small.loaded(folder, *overrides)
    except RecipeProblems as found:
        return [problem.message for problem in found.problems]
    return []


@pytest.mark.parametrize(("overrides", "sentence"), BAD, ids=[case[0][0] for case in BAD])
def test_what_is_wrong_is_reported_in_one_sentence(
    tmp_path: Path, overrides: list[str], sentence: str
) -> None:
    [message] = messages(tmp_path, *overrides)
    assert message.startswith(sentence), message
    assert "\n" not in message


@pytest.mark.parametrize("overrides", GOOD, ids=[each[0] for each in GOOD])
def test_a_valid_ensemble_is_accepted(tmp_path: Path, overrides: list[str]) -> None:
    assert messages(tmp_path, *overrides) == []


def test_thirds_of_six_digits_sum_to_one(tmp_path: Path) -> None:
    third = small.recipe()
    third["teachers"]["more"] = third["teachers"]["wide"]
    third["ensemble"] = {
        "weighting": {"kind": "fixed", "weights": dict.fromkeys(third["teachers"], 0.333333)}
    }
    small.loaded(tmp_path, data=third)
