"""What a space draws, what gives a value again, its corners and its points."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.read_space import read_parameter, read_space
from search.space import corners, count_points, draw, find, is_conditional, numbers

SPACE = read_space(
    {
        "width": {"int": [8, 128], "log": True},
        "rate": {"float": [0.5, 2.0]},
        "share": {"float": [0.0, 1.0], "step": 0.1},
        "rest": {"complement": "share"},
        "act": {"categorical": ["relu", "gelu", 1, 2.5, None]},
        "sizes": {"list": {"int": [4, 64]}, "length": [0, 3]},
        "schedule": {
            "choice": {
                "direct": "offline",
                "path": {"kind": "assistants", "path": [{"hidden": [{"int": [16, 64]}]}]},
                "longer": {"kind": "assistants", "path": [{"hidden": [1]}, {"hidden": [2]}]},
            }
        },
    }
)


@settings(max_examples=60, deadline=None, database=None)
@given(st.integers(0, 2**31))
def test_find_gives_the_draws_of_every_value_that_is_drawn(seed: int) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    trial = study.ask()
    values = draw(SPACE, trial)
    assert list(values) == list(SPACE)
    params, missing = find(SPACE, {path: [value] for path, value in values.items()})
    assert missing == ()
    assert params == pytest.approx(trial.params), "in decimals: 0.6, not 0.6000000000000001"
    again = draw(SPACE, optuna.trial.FixedTrial(params))
    assert find(SPACE, {path: [value] for path, value in again.items()}) == (params, ())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("width", 7), ("width", 8.5), ("width", True), ("rate", 2.1), ("share", 0.15),
        ("act", "tanh"), ("act", True), ("sizes", [4, 4, 4, 4]), ("sizes", [3]), ("sizes", 4),
        ("schedule", {"kind": "assistants", "path": [{"hidden": [15]}]}),
        ("schedule", {"kind": "born_again"}),
    ],
)  # fmt: skip
def test_what_no_draw_gives_is_missing(path: str, value: Any) -> None:
    assert find({path: SPACE[path]}, {path: [value]}) == ({}, (path,))


def test_a_value_in_full_is_found_by_its_short_form_if_that_is_the_same() -> None:
    space = {"schedule": SPACE["schedule"]}

    def found(full: Any, *same: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
        return find(space, {"schedule": [full]}, lambda path, drawn: drawn in same)

    full: dict[str, Any] = {"kind": "offline", "more": 1}
    assert found(full, "offline") == ({"schedule": "direct"}, ())
    assert found(full) == ({}, ("schedule",)), "its other keys are not the defaults"
    assert find(space, {"schedule": [full]}) == ({}, ("schedule",))
    full = {"kind": "assistants", "candidates": [], "path": [{"hidden": [20], "dropout": 0.0}]}
    params = {"schedule": "path", "schedule[path].path.0.hidden.0": 20}
    assert found(full, {"kind": "assistants", "path": [{"hidden": [20]}]}) == (params, ())


def test_of_labels_that_may_give_a_value_the_one_that_does_is_found() -> None:
    labels = {"x": {"kind": "mlp"}, "y": {"kind": "mlp", "n": {"int": [1, 3]}}, "z": "mlp"}
    space = read_space({"model": {"choice": labels}})
    params = {"model": "y", "model[y].n": 2}
    assert find(space, {"model": [{"kind": "mlp", "n": 2}]}) == (params, ())
    assert find(space, {"model": ["mlp", {"kind": "mlp", "n": 2}]}) == ({"model": "z"}, ())


def test_a_complement_is_written_as_one_would() -> None:
    space = read_space({"share": {"float": [0.0, 1.0]}, "rest": {"complement": "share"}})
    assert draw(space, optuna.trial.FixedTrial({"share": 0.9})) == {"share": 0.9, "rest": 0.1}
    assert find(space, {"share": [0.9], "rest": [0.1]}) == ({"share": 0.9}, ())
    assert find(space, {"share": [0.9], "rest": [0.2]}) == ({"share": 0.9}, ("rest",))
    assert find(space, {"share": [0.9], "rest": [None]}) == ({"share": 0.9}, ("rest",))
    assert find(space, {"share": [None], "rest": [0.1]}) == ({}, ("share",))


def test_corners_are_both_ends_of_each_path_and_all_together() -> None:
    found = corners(
        read_space(
            {
                "n": {"int": [1, 8], "step": 3},
                "x": {"float": [0.0, 1.0], "step": 0.3},
                "y": {"complement": "x"},
                "c": {"choice": {"a": "off", "b": {"k": {"int": [2, 3]}}}},
            }
        )
    )
    assert found == {
        "n": [{"n": 1}, {"n": 7}],
        "x": [{"x": 0.0, "y": 1.0}, {"x": pytest.approx(0.9), "y": pytest.approx(0.1)}],
        "c": [{"c": "off"}, {"c": {"k": 2}}, {"c": {"k": 3}}],
        "": [
            {"n": 1, "x": 0.0, "y": 1.0, "c": "off"},
            {"n": 7, "x": pytest.approx(0.9), "y": pytest.approx(0.1), "c": {"k": 3}},
        ],
    }


@pytest.mark.parametrize(
    ("space", "points", "conditional"),
    [
        ({"n": {"int": [1, 8]}}, 8, False),
        ({"n": {"int": [1, 8], "step": 3}, "c": {"categorical": ["a", "b"]}}, 6, False),
        ({"x": {"float": [0.0, 1.0], "step": 0.1}, "y": {"complement": "x"}}, 11, False),
        ({"c": {"choice": {"a": 1, "b": [1, 2]}}}, 2, False),
        ({"c": {"choice": {"a": 1, "b": [{"int": [1, 3]}, {"int": [1, 2]}]}}}, 7, True),
        ({"l": {"list": {"int": [1, 3]}, "length": [0, 2]}}, 1 + 3 + 9, True),
    ],
)
def test_points_are_counted_with_conditional_parts(
    space: dict[str, Any], points: int, conditional: bool
) -> None:
    assert count_points(read_space(space)) == points
    assert is_conditional(read_space(space)) == conditional


def test_numbers_are_found_wherever_they_are() -> None:
    names = [name for name, _ in numbers(SPACE)]
    assert names == ["width", "rate", "share", "sizes", "schedule[path].path.0.hidden.0"]


@pytest.mark.parametrize(
    ("value", "part"),
    [
        (5, "must be a parameter: {int: [low, high]}"),
        ({"int": [1, 2], "float": [1, 2]}, "must be a parameter: "),
        ({"int": [1, 2], "lgo": True}, "has 'lgo' beside `int`, which takes there: log, step"),
        ({"categorical": [1], "step": 1}, "which takes there: nothing"),
        ({"int": [1.5, 2]}, "must give `int` as [low, high], two whole numbers"),
        ({"int": [1]}, "must give `int` as [low, high]"),
        ({"float": ["a", 2]}, "must give `float` as [low, high], two numbers"),
        ({"float": [2, 1]}, "has `float` from 2 to 1; give the lower one first"),
        ({"float": [0, 1], "log": True}, "begins at 0, which has no logarithm"),
        ({"float": [1, 2], "log": True, "step": 0.5}, "has both `log` and `step`; leave one out"),
        ({"int": [1, 2], "log": "yes"}, "has `log` 'yes'; write true or false"),
        ({"int": [1, 2], "step": 0}, "has `step` 0, which must be a number above 0"),
        ({"int": [1, 2], "step": 0.5}, "has `step` 0.5"),
        ({"categorical": "abc"}, "must give `categorical` a list of plain values"),
        ({"categorical": [[1]]}, "has lists or sections in `categorical`; write `choice`"),
        ({"choice": ["a"]}, "must give each value of `choice` a label"),
        ({"choice": {"a": {"complement": "x"}}}, "has `complement` inside a choice"),
        ({"list": {"int": [1, 2]}}, "has a `list` without `length`"),
        ({"list": {"int": [1, 2]}, "length": [-1, 2]}, "has `length` -1"),
        ({"list": {"list": {"int": [1, 2]}, "length": 1}, "length": 1}, "must hold int, float"),
        ({"complement": 3}, "must give `complement` a path of the space"),
    ],
)  # fmt: skip
def test_what_is_no_parameter_is_refused_in_a_sentence(value: Any, part: str) -> None:
    with pytest.raises(ValueError) as refused:
        read_parameter(value)
    assert part in str(refused.value)
