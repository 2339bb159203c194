"""Settings of the recipe's language that this version does not support yet, refused by name."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from orchestrator.errors import Problem
from orchestrator.recipe.message_text import Path, dotted, shown

SETTINGS = (
    "teachers.*.host",
    "cluster.address",
    "cluster.wait_for_nodes",
)
"""Settings and sections."""

WORDS = {
    "schedule": (
        ("mutual", "codistillation"),
        "offline, two_stage, assistants, born_again or route",
    ),
    "ensemble.on_teacher_loss": (("degrade",), "wait or fail"),
    "cluster.mode": (("ray",), "in_process or local"),
}
"""Words for a value, or kinds, by place: those not supported, then those to choose from."""

MAPPINGS = {"student.objective.*.temperature": "a schedule of temperatures"}
"""Places where a mapping is not supported, and what it stands for; a plain value is."""


def split_unsupported(data: Mapping[str, Any]) -> tuple[dict[str, Any], dict[Path, Problem]]:
    """The recipe without what is not supported, and a problem for each place taken out."""
    left, found = dict(data), {}
    for path, rest in _unsupported(data):
        left = without(left, path)
        found[path] = Problem(dotted(path), f"`{dotted(path)}` {rest}")
    return left, found


def _unsupported(data: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    for place in SETTINGS:
        for path, value in _matches(data, place.split(".")):
            if value is not None:
                yield path, "is not supported yet; take it out"
    for place, (unsupported, choice) in WORDS.items():
        for path, value in _matches(data, place.split(".")):
            word = value.get("kind") if isinstance(value, Mapping) else value
            if isinstance(word, str) and word in unsupported:
                yield path, f"is '{word}', which is not supported yet; choose {choice}"
    for place, meaning in MAPPINGS.items():
        for path, value in _matches(data, place.split(".")):
            if isinstance(value, Mapping):
                rest = f"{meaning} is not supported yet; give a plain value or take it out"
                yield path, f"is {shown(value)}: {rest}"


def without(data: Any, path: Path) -> Any:
    """A copy of ``data`` without the entry at ``path``, if there is one."""
    copied = here = copy.copy(data)
    with suppress(KeyError, IndexError, TypeError):
        for key in path[:-1]:
            here[key] = copy.copy(here[key])
            here = here[key]
        del here[path[-1]]
    return copied


def _matches(data: Any, pattern: list[str], above: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The places that ``pattern`` names (``*`` is any key), with their values."""
    if not pattern:
        yield above, data
    elif isinstance(data, Mapping):
        for key, value in data.items():
            if pattern[0] in ("*", key):
                yield from _matches(value, pattern[1:], (*above, key))
