"""What is drawn for one place of the recipe: numbers, plain values, choices with labels, lists."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from typing import Any, Protocol

Params = dict[str, Any]
"""What Optuna knows of a trial: numbers and labels, by name."""


class Draws(Protocol):
    """What Optuna's trials offer: a value for each name, the same one each time."""

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """A whole number from ``low`` to ``high``."""

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """A number from ``low`` to ``high``."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of the choices."""


class Parameter(Protocol):
    """One place of a space."""

    def draw(self, name: str, trial: Draws) -> Any:
        """A value of the recipe, from draws whose names begin with ``name``."""

    def find(self, name: str, value: Any) -> Iterator[Params]:
        """The draws that may give ``value``, which may be spelled in full: a kind for its short
        form, more keys."""


@dataclass(frozen=True)
class Number:
    """A number from ``low`` to ``high``, whole or not."""

    low: float
    high: float
    whole: bool
    log: bool = False
    step: float | None = None

    @property
    def count(self) -> int:
        """How many values it may have; one that is not whole needs a step."""
        size = self.step or (1 if self.whole else math.inf)
        return math.floor((self.high - self.low) / size + 1e-9) + 1

    def value(self, number: int) -> int | float:
        """The value of that number, the lowest one 0; exact in decimals: 0.3, not three times
        0.1."""
        found = Decimal(str(self.low)) + number * Decimal(str(self.step or 1))
        return int(found) if self.whole else float(found)

    def draw(self, name: str, trial: Draws) -> Any:  # noqa: D102
        if self.whole:
            step = 1 if self.step is None else int(self.step)
            return trial.suggest_int(name, int(self.low), int(self.high), step=step, log=self.log)
        return trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)

    def find(self, name: str, value: Any) -> Iterator[Params]:  # noqa: D102
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)):
            return
        if not self.low <= value <= self.high:
            return
        if self.step is not None:
            steps = (value - self.low) / self.step
            if not math.isclose(steps, round(steps), abs_tol=1e-9):
                return
            value = self.value(round(steps))
        yield {name: value if self.whole else float(value)}


@dataclass(frozen=True)
class Categorical:
    """One of some plain values."""

    values: tuple[Any, ...]

    def draw(self, name: str, trial: Draws) -> Any:  # noqa: D102
        return trial.suggest_categorical(name, self.values)

    def find(self, name: str, value: Any) -> Iterator[Params]:  # noqa: D102
        yield from ({name: each} for each in self.values if _is_plainly(each, value))


@dataclass(frozen=True)
class Choice:
    """One of some values of any kind, each behind a label; they may have parameters inside."""

    labels: Mapping[str, Any]

    def draw(self, name: str, trial: Draws) -> Any:  # noqa: D102
        label = trial.suggest_categorical(name, tuple(self.labels))
        return draw_inside(self.labels[label], f"{name}[{label}]", trial)

    def find(self, name: str, value: Any) -> Iterator[Params]:  # noqa: D102
        for label, template in self.labels.items():
            for inside in find_inside(template, value, f"{name}[{label}]"):
                yield {name: label, **inside}


@dataclass(frozen=True)
class List:
    """From ``shortest`` to ``longest`` values of one kind."""

    of: Parameter
    shortest: int
    longest: int

    def draw(self, name: str, trial: Draws) -> Any:  # noqa: D102
        length = trial.suggest_int(f"{name}.length", self.shortest, self.longest)
        return [self.of.draw(f"{name}.{number}", trial) for number in range(length)]

    def find(self, name: str, value: Any) -> Iterator[Params]:  # noqa: D102
        if isinstance(value, (list, tuple)) and self.shortest <= len(value) <= self.longest:
            for found in _together((self.of, each, f"{name}.{n}") for n, each in enumerate(value)):
                yield {f"{name}.length": len(value), **found}


@dataclass(frozen=True)
class Complement:
    """One minus what is drawn for another path."""

    path: str


def entries(value: Any) -> Iterable[tuple[Any, Any]]:
    """What a section has by key, or a list by number; nothing of a plain value."""
    if isinstance(value, Mapping):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()


def parameters(value: Any) -> list[Any]:
    """The parameters inside a value, outermost ones alone."""
    if isinstance(value, _PARAMETERS):
        return [value]
    return [found for _, each in entries(value) for found in parameters(each)]


def draw_inside(value: Any, name: str, trial: Draws) -> Any:
    """``value`` with what its parameters draw in their places."""
    if isinstance(value, _PARAMETERS):
        return value.draw(name, trial)
    if isinstance(value, Mapping):
        return {key: draw_inside(each, f"{name}.{key}", trial) for key, each in value.items()}
    if isinstance(value, list):
        return [draw_inside(each, f"{name}.{n}", trial) for n, each in enumerate(value)]
    return value


def find_inside(template: Any, value: Any, name: str) -> Iterator[Params]:
    """The draws with which ``template`` may give ``value``."""
    if isinstance(template, _PARAMETERS):
        yield from template.find(name, value)
    elif isinstance(template, Mapping) and isinstance(value, Mapping):
        if template.keys() <= value.keys():
            yield from _together((v, value[key], f"{name}.{key}") for key, v in template.items())
    elif isinstance(template, list) and isinstance(value, (list, tuple)):
        if len(template) == len(value):
            pairs = enumerate(zip(template, value, strict=True))
            yield from _together((each, own, f"{name}.{n}") for n, (each, own) in pairs)
    elif _is_plainly(template, value):
        yield {}


def _together(parts: Iterable[tuple[Any, Any, str]]) -> Iterator[Params]:
    """The draws that may give several values, each by its template and name."""
    for found in product(*(list(find_inside(*part)) for part in parts)):
        yield {name: value for each in found for name, value in each.items()}


def _is_plainly(template: Any, value: Any) -> bool:
    """Whether a plain value may be ``value``: true is not 1, and a word may be its kind."""
    if isinstance(template, str) and isinstance(value, Mapping):
        return value.get("kind") == template
    return bool(template == value) and isinstance(template, bool) == isinstance(value, bool)


_PARAMETERS = (Number, Categorical, Choice, List)
