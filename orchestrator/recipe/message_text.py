"""How a sentence about a recipe shows places, values, lists of names and the nearest name."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from typing import Any

Path = tuple[str | int, ...]
"""A place in a recipe's plain values: the keys that lead to it."""

_LONGEST = 80


def dotted(path: Path) -> str:
    """``teachers.wide.train.epochs``."""
    return ".".join(str(part) for part in path)


def shown(value: Any) -> str:
    """A value as it is shown in a sentence, cut to one short line."""
    if isinstance(value, (str, float)):
        text = repr(value)
    else:
        text = json.dumps(value, ensure_ascii=False, default=repr).replace('"', "")
    return text if len(text) <= _LONGEST else text[: _LONGEST - 4] + " ..."


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The one of ``names`` that ``name`` is probably a misspelling of, if any."""
    by_lower = {each.lower(): each for each in names}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[near[0]] if near else None


def listed(names: Iterable[str], last: str = "and", most: int | None = None) -> str:
    """``a, b and c``; of more than ``most`` names the first, and how many more there are."""
    given = list(names)
    if most is not None and len(given) > most:
        given = [*given[:most], f"{len(given) - most} more"]
    if len(given) < 2:
        return "".join(given)
    return f"{', '.join(given[:-1])} {last} {given[-1]}"


def suggest(name: str, names: Iterable[str]) -> str:
    """The remedy for a wrong name: the nearest one, or the list of all."""
    there = list(names)
    near = nearest(name, there)
    if near is not None:
        return f"did you mean `{near}`?"
    if not there:
        return "there is nothing to choose from; take it out"
    return f"choose from {listed(there)}"
