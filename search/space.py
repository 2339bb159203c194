"""The space of a study: a parameter for each dotted path of the recipe."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from search.parameters import (
    Categorical,
    Choice,
    Complement,
    Draws,
    List,
    Number,
    Parameter,
    Params,
    entries,
    parameters,
)

Space = Mapping[str, Parameter | Complement]


def draw(space: Space, trial: Draws) -> dict[str, Any]:
    """The overrides of a trial: a value for each path of the space."""
    drawn = {
        path: each.draw(path, trial)
        for path, each in space.items()
        if not isinstance(each, Complement)
    }
    for path, each in space.items():
        if isinstance(each, Complement):
            drawn[path] = _rest(drawn[each.path])
    return {path: drawn[path] for path in space}


def find(
    space: Space,
    spellings: Mapping[str, Sequence[Any]],
    is_same: Callable[[str, Any], bool] | None = None,
) -> tuple[Params, tuple[str, ...]]:
    """The draws that give a value for each path, and the paths for which nothing does.

    ``spellings`` of a value may have a kind for its short form, and more keys, defaults. So
    ``is_same`` says whether what is drawn for a path is its value; by default it must be spelled
    as the first one.
    """

    def is_spelled(path: str, drawn: Any) -> bool:
        return _is_close(drawn, spellings[path][0])

    same, params, drawn = is_same or is_spelled, Params(), dict[str, Any]()
    for path, each in space.items():
        if isinstance(each, Complement):
            continue
        for found in chain.from_iterable(each.find(path, value) for value in spellings[path]):
            value = each.draw(path, _Given(found))
            if same(path, value):
                params |= found
                drawn[path] = value
                break
    missing = [
        path
        for path, each in space.items()
        if (
            # Of a path for which nothing is drawn, the complement is not missing beside it.
            each.path in drawn and not same(path, _rest(drawn[each.path]))
            if isinstance(each, Complement)
            else path not in drawn
        )
    ]
    return params, tuple(missing)


def _rest(share: float) -> float:
    # Rounded: 1 - 0.9 is to be 0.1, as one would write it.
    return round(1.0 - share, 12)


def _is_close(one: Any, other: Any) -> bool:
    """Whether two plain values are equal, numbers up to the last digits."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_is_close(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_is_close, one, other))
    if isinstance(one, float) and isinstance(other, (int, float)):
        return math.isclose(one, other, abs_tol=1e-9)
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def corners(space: Space) -> dict[str, list[dict[str, Any]]]:
    """By path, the ends of its range beside the recipe's own values elsewhere, each choice with
    both ends of what is inside; then, under "", all lowest and all highest together."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path, each in space.items():
        if isinstance(each, Complement):
            continue
        alone = {path: each} | {
            other: given
            for other, given in space.items()
            if isinstance(given, Complement) and given.path == path
        }
        labels = each.labels if isinstance(each, Choice) else [None]
        ends = [_End(end, {path: label}) for label in labels for end in (0, -1)]
        found[path] = _different(draw(alone, end) for end in ends)
    found[""] = _different(draw(space, _End(end, {})) for end in (0, -1))
    return found


def _different(drawn: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for each in drawn:
        if each not in found:
            found.append(each)
    return found


@dataclass(frozen=True)
class _End:
    """Draws the first (0) or last (-1) of everything, and ``labels`` where they are given."""

    end: int
    labels: Mapping[str, str | None]

    def suggest_int(self, _: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        return low if self.end == 0 else high - (high - low) % step

    def suggest_float(
        self, _: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        if self.end == 0 or step is None:
            return low if self.end == 0 else high
        return low + math.floor((high - low) / step + 1e-9) * step

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        label = self.labels.get(name)
        return choices[self.end] if label is None else label


@dataclass(frozen=True)
class _Given:
    """Draws the values that are given."""

    params: Params

    def suggest_int(self, name: str, *_: int, **__: object) -> int:
        return int(self.params[name])

    def suggest_float(self, name: str, *_: float, **__: object) -> float:
        return float(self.params[name])

    def suggest_categorical(self, name: str, _: Sequence[Any]) -> Any:
        return self.params[name]


def is_conditional(space: Space) -> bool:
    """Whether some draws are made only where others have a certain value."""
    return any(
        isinstance(each, List)
        or (isinstance(each, Choice) and any(parameters(v) for v in each.labels.values()))
        for each in space.values()
    )


def count_points(space: Space) -> int:
    """How many different draws there are; every float needs a step."""
    return math.prod(_count(each) for each in space.values() if not isinstance(each, Complement))


def _count(value: Any) -> int:
    """Of a parameter, or of a value with parameters inside."""
    match value:
        case Number():
            return value.count
        case Categorical(values):
            return len(values)
        case Choice(labels):
            return sum(map(_count, labels.values()))
        case List(of, shortest, longest):
            return sum(_count(of) ** length for length in range(shortest, longest + 1))
    return math.prod(map(_count, parameters(value)))


def numbers(space: Space) -> Iterator[tuple[str, Number]]:
    """All numbers of the space, also those inside choices and lists, by name."""
    for path, each in space.items():
        yield from _numbers(path, each)


def _numbers(name: str, value: Any) -> Iterator[tuple[str, Number]]:
    match value:
        case Number():
            yield name, value
        case Choice(labels):
            for label, inside in labels.items():
                yield from _numbers(f"{name}[{label}]", inside)
        case List(of):
            yield from _numbers(name, of)
        case _:
            for key, inside in entries(value):
                yield from _numbers(f"{name}.{key}", inside)
