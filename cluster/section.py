"""What every section of a recipe is: frozen, strict, closed to unknown keys."""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pkgutil import resolve_name
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Section(BaseModel):
    """A part of the recipe. Values are validated strictly: "5" is not a number."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, validate_default=True
    )


@dataclass(frozen=True)
class Reason:
    """Why a setting has its bounds, beside them in its annotation: what stands after "since".
    ``share``: it is a share of one, so that 20 means 20 %."""

    text: str
    share: bool = False


def one_of(catalog: Mapping[str, str]) -> Any:
    """The type of a section that is of one of several kinds, which its ``kind`` chooses.

    ``catalog`` is a closed table: each kind with its class, written ``module:Class``.
    """
    classes = (resolve_name(place) for place in catalog.values())
    return Annotated[functools.reduce(operator.or_, classes), Field(discriminator="kind")]


def kind_first(value: Any) -> Any:
    """Reads the short form of a choice: ``cosine`` stands for ``{kind: cosine}``."""
    return short_form(value, "kind")


def short_form(value: Any, setting: str) -> Any:
    """The section of which ``value`` is the one ``setting``, if it is a word.

    A section's lists become tuples here: what a validator has seen counts as Python's own, and
    there a list is strictly no tuple.
    """
    return {setting: value} if isinstance(value, str) else _with_tuples(value)


def _with_tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_tuples(each) for name, each in value.items()}
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value


def _duration(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return value
    if isinstance(value, str):
        match = _DURATION.fullmatch(value.strip())
        if match is None:
            raise ValueError("must be a duration such as 60s, 10m or 1h")
        value = float(match[1]) * _SECONDS[match[2]]
    if not 0 < value < float("inf"):
        raise ValueError("must be a duration greater than zero")
    return timedelta(seconds=value)


LONGEST = timedelta(hours=24)

Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    Field(le=LONGEST),
    Reason("a plain number is seconds, not milliseconds"),
    PlainSerializer(lambda value: f"{value.total_seconds():g}s"),
]
"""A time span, written ``60s``, ``10m`` or ``1h`` (a plain number is seconds)."""
