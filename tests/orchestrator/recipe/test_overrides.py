"""Claims about what the command line sets."""

import copy
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.recipe.overrides import apply_overrides
from orchestrator.recipe.yaml_values import dump_yaml, read_yaml

NAMES = st.text(string.ascii_lowercase, min_size=1, max_size=5)
VALUES = st.recursive(
    st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False)
    | st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
MAPPINGS = st.dictionaries(NAMES, VALUES, max_size=4)


def applied(data: dict, *texts: str) -> dict:
    result, problems = apply_overrides(data, texts)
    assert problems == []
    return result


def problem(data: dict, text: str) -> str:
    result, problems = apply_overrides(data, [text])
    assert result == data
    [only] = problems
    return only.message


@settings(deadline=None)
@given(VALUES)
def test_yaml_reads_back_what_it_wrote(value: object) -> None:
    assert read_yaml(dump_yaml(value)) == value


@settings(deadline=None)
@given(MAPPINGS, st.lists(NAMES, min_size=1, max_size=3, unique=True), VALUES)
def test_what_was_set_is_what_stands_there_and_nothing_else_changed(
    data: dict, names: list[str], value: object
) -> None:
    data = {name: each for name, each in data.items() if name != names[0]}
    before = copy.deepcopy(data)
    written = dump_yaml({"v": value}).removeprefix("v:")
    result = applied(data, f"{'.'.join(names)}={written}")
    assert data == before
    at = result
    for name in names:
        at = at[name]
    assert at == value
    assert {name: each for name, each in result.items() if name != names[0]} == before


@settings(deadline=None)
@given(MAPPINGS, NAMES, VALUES)
def test_null_takes_out_what_was_set(data: dict, name: str, value: object) -> None:
    data = {key: each for key, each in data.items() if key != name}
    assert applied({**data, name: value}, f"{name}=null") == data


@pytest.mark.parametrize(
    ("data", "text", "expected"),
    [
        ({"s": "cosine"}, "s.warmup=1", {"s": {"kind": "cosine", "warmup": 1}}),
        ({"weights": "f"}, "weights.key=ema", {"weights": {"path": "f", "key": "ema"}}),
        ({"weights": "none"}, "weights.path=f", {"weights": {"path": "f"}}),
        ({"objective": {"task": 1}}, "objective.task.label_smoothing=0.1",
         {"objective": {"task": {"weight": 1, "label_smoothing": 0.1}}}),
        ({"teachers": {"a.b": {"x": 1}}}, "teachers.a.b.x=2", {"teachers": {"a.b": {"x": 2}}}),
        ({"a": [1, {"b": 2}]}, "a.1.b=3", {"a": [1, {"b": 3}]}),
        ({"a": [1, 2]}, "a.0=null", {"a": [2]}),
        ({"a": None}, "a.b=1", {"a": {"b": 1}}),
        ({}, "uri=sqlite:///x?a=b", {"uri": "sqlite:///x?a=b"}),
    ],
)  # fmt: skip
def test_short_forms_are_expanded(data: dict, text: str, expected: dict) -> None:
    assert applied(data, text) == expected


def test_later_overrides_win() -> None:
    assert applied({}, "a.b=1", "a.b=2", "a.c=3") == {"a": {"b": 2, "c": 3}}


def test_new_kind_keeps_the_options_that_it_has_too() -> None:
    data = {"transfer_set": {"kind": "image_folder", "root": "r", "size": 16, "fraction": 0.5}}
    expected = {"kind": "cifar10", "root": "r", "fraction": 0.5}
    assert applied(data, "transfer_set.kind=cifar10") == {"transfer_set": expected}


def test_new_kind_never_drops_what_the_command_line_set() -> None:
    data = {"student": {"model": {"kind": "mlp", "hidden": [4]}}}
    result = applied(data, "student.model.widen=2", "student.model.kind=plain_cnn")
    assert result == {"student": {"model": {"kind": "plain_cnn", "widen": 2}}}
    result = applied(data, "student.model={kind: mlp, depth: 2}", "student.model.kind=plain_cnn")
    assert result == {"student": {"model": {"kind": "plain_cnn", "depth": 2}}}


def test_engine_torch_drops_what_is_deepspeeds() -> None:
    data = {"student": {"engine": {"kind": "deepspeed", "ranks": 2, "zero_stage": 2}}}
    result = applied(data, "student.engine.kind=torch")
    assert result == {"student": {"engine": {"kind": "torch", "ranks": 2}}}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("seed", "'seed' sets nothing; write it as section.setting=value"),
        ("=5", "sets nothing"),
        ("a..b=5", "sets nothing"),
        ("seed=", "gives no value; write seed=null to remove it"),
        ("seed=[1", "'seed=[1' has a value that is not YAML"),
        ("seed.more=1", "goes through `seed`, which is 7"),
        ("sed=null", "did you mean `seed`?"),
        ("controls.3=x", "which has 1, counted from 0"),
    ],
)
def test_override_that_cannot_be_applied_is_named_with_its_own_text(text: str, part: str) -> None:
    message = problem({"seed": 7, "controls": ["untaught"]}, text)
    assert part in message
    assert text in message


def test_good_overrides_are_applied_beside_a_bad_one() -> None:
    result, problems = apply_overrides({}, ["a=1", "b", "c=2"])
    assert result == {"a": 1, "c": 2}
    assert [each.path for each in problems] == ["b"]
