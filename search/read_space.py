"""Reads the space of a study from plain data: each parameter by its keyword.

``{int: [8, 128], log: true}``                 whole numbers, evenly or on a logarithmic scale
``{float: [0.0, 1.0], step: 0.1}``             numbers
``{categorical: [relu, gelu]}``                plain values
``{choice: {none: offline, one: {...}}}``      any values, each behind a label
``{list: {int: [8, 64]}, length: [1, 3]}``     a list of one to three such numbers
``{complement: student.objective.task.weight}``  one minus what another path draws
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search.parameters import Categorical, Choice, Complement, List, Number, Parameter
from search.space import Space

_OPTIONS = {
    "int": {"log", "step"},
    "float": {"log", "step"},
    "categorical": set[str](),
    "choice": set[str](),
    "list": {"length"},
    "complement": set[str](),
}
"""What may stand beside each keyword."""

_PLAIN = (str, int, float, bool, type(None))


def read_space(space: Mapping[str, Any]) -> Space:
    """The parameters by path.

    Raises:
        ValueError: one cannot be read; the sentence stands after its place.
    """
    return {path: read_parameter(value) for path, value in space.items()}


def read_parameter(value: Any) -> Parameter | Complement:
    """One parameter.

    Raises:
        ValueError: it cannot be read; the sentence stands after its place.
    """
    keyword = _keyword(value)
    if keyword is None:
        raise ValueError(
            "must be a parameter: {int: [low, high]}, {float: [low, high]}, {categorical: [..]}, "
            "{choice: {label: value}}, {list: parameter, length: [low, high]} or {complement: path}"
        )
    given, options = value[keyword], {k: v for k, v in value.items() if k != keyword}
    unknown = options.keys() - _OPTIONS[keyword]
    if unknown:
        known = ", ".join(sorted(_OPTIONS[keyword])) or "nothing"
        raise ValueError(f"has '{min(unknown)}' beside `{keyword}`, which takes there: {known}")
    match keyword:
        case "int" | "float":
            return _number(keyword, given, options)
        case "categorical":
            return _categorical(given)
        case "choice":
            if not isinstance(given, Mapping) or not given:
                raise ValueError(
                    "must give each value of `choice` a label: {choice: {none: offline, ...}}"
                )
            return Choice({str(label): _read_inside(each) for label, each in given.items()})
        case "list":
            return _list(given, options)
        case _:
            if not isinstance(given, str):
                raise ValueError("must give `complement` a path of the space")
            return Complement(given)


def _keyword(value: Any) -> str | None:
    """Which parameter a mapping is; none for what is a plain value."""
    if not isinstance(value, Mapping):
        return None
    found = [key for key in value if key in _OPTIONS]
    return found[0] if len(found) == 1 else None


def _read_inside(value: Any) -> Any:
    """A value behind a label, with the parameters that it has inside."""
    if _keyword(value) is not None:
        read = read_parameter(value)
        if isinstance(read, Complement):
            raise ValueError("has `complement` inside a choice; give it a path of its own")
        return read
    if isinstance(value, Mapping):
        return {key: _read_inside(each) for key, each in value.items()}
    return [_read_inside(each) for each in value] if isinstance(value, (list, tuple)) else value


def _number(keyword: str, given: Any, options: Mapping[str, Any]) -> Number:
    whole = keyword == "int"
    low, high = _pair(keyword, given, whole=whole)
    log, step = options.get("log", False), options.get("step")
    if not isinstance(log, bool):
        raise ValueError(f"has `log` {log!r}; write true or false")
    if step is not None and (not _is_number(step, whole=whole) or step <= 0):
        raise ValueError(f"has `step` {step!r}, which must be a number above 0")
    if log and low <= 0:
        raise ValueError(
            f"begins at {low}, which has no logarithm; begin above 0 or leave out `log`"
        )
    if log and step is not None:
        raise ValueError("has both `log` and `step`; leave one out")
    return Number(low, high, whole, log, step)


def _categorical(given: Any) -> Categorical:
    if not isinstance(given, (list, tuple)) or not given:
        raise ValueError("must give `categorical` a list of plain values")
    if not all(isinstance(each, _PLAIN) for each in given):
        raise ValueError("has lists or sections in `categorical`; write `choice` with labels")
    for place, each in enumerate(given):
        if any(each == other for other in given[:place]):
            raise ValueError(f"has {each!r} twice in `categorical`; take one out")
    return Categorical(tuple(given))


def _list(given: Any, options: Mapping[str, Any]) -> List:
    of = read_parameter(given)
    if isinstance(of, (Complement, List)):
        raise ValueError("must hold int, float, categorical or choice in its `list`")
    length = options.get("length")
    if _is_number(length, whole=True):
        length = [length, length]
    if length is None:
        raise ValueError("has a `list` without `length`; write length: [shortest, longest]")
    shortest, longest = _pair("length", length, whole=True)
    if shortest < 0:
        raise ValueError(f"has `length` {shortest}, which must be 0 or more")
    return List(of, int(shortest), int(longest))


def _pair(name: str, given: Any, *, whole: bool) -> tuple[float, float]:
    is_pair = isinstance(given, (list, tuple)) and len(given) == 2
    if not is_pair or not all(_is_number(each, whole=whole) for each in given):
        kind = "whole numbers" if whole else "numbers"
        raise ValueError(f"must give `{name}` as [low, high], two {kind}")
    low, high = given
    if low > high:
        raise ValueError(f"has `{name}` from {low} to {high}; give the lower one first")
    return low, high


def _is_number(value: Any, *, whole: bool) -> bool:
    return isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
