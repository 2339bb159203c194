"""Refuses what the recipe's language has but this version does not do yet, each by its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.errors import Problem
from orchestrator.recipe.message_text import Path, dotted, listed, shown

Pattern = tuple[str, ...]

SETTINGS: tuple[Pattern, ...] = (
    ("search",),
    ("teachers", "*", "train", "stop_epoch"),
    ("teachers", "*", "host"),
    ("cluster", "address"),
    ("cluster", "wait_for_nodes"),
)
"""Settings and sections."""

WORDS: dict[Pattern, tuple[tuple[str, ...], tuple[str, ...]]] = {
    ("schedule",): (
        ("assistants", "born_again", "route", "mutual", "codistillation"),
        ("offline",),
    ),
    ("ensemble", "on_teacher_loss"): (("degrade",), ("wait", "fail")),
    ("cluster", "mode"): (("ray",), ("in_process", "local")),
}  # fmt: skip
"""Words for a value, or kinds, by place: those to come, then those that are there."""

MAPPINGS: dict[Pattern, str] = {
    ("student", "objective", "*", "temperature"): "a schedule of temperatures",
}
"""Places whose mapping is to come, and what it stands for; a plain value may be there."""


def split_later(data: Mapping[str, Any]) -> tuple[dict[str, Any], dict[Path, Problem]]:
    """The recipe without what is not there yet, and a problem for each place taken out."""
    problems = {path: Problem(dotted(path), text) for path, text in _found(data)}
    left: Any = data
    for path in problems:
        left = without(left, path)
    return dict(left), problems


def without(data: Any, path: Path) -> Any:
    """``data`` without the entry at ``path``; unchanged where there is none."""
    key, *rest = path
    if isinstance(data, list) and isinstance(key, int) and key < len(data):
        if not rest:
            return data[:key] + data[key + 1 :]
        return [*data[:key], without(data[key], tuple(rest)), *data[key + 1 :]]
    if not isinstance(data, Mapping) or key not in data:
        return data
    if not rest:
        return {name: value for name, value in data.items() if name != key}
    return {
        name: without(value, tuple(rest)) if name == key else value for name, value in data.items()
    }


def matches(data: Any, pattern: Pattern, above: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The places that ``pattern`` names (``*`` is any key), with what stands there."""
    if not pattern:
        yield above, data
        return
    if not isinstance(data, Mapping):
        return
    keys = list(data) if pattern[0] == "*" else [key for key in (pattern[0],) if key in data]
    for key in keys:
        yield from matches(data[key], pattern[1:], (*above, key))


def _found(data: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    for setting in SETTINGS:
        for path, value in matches(data, setting):
            if value is not None:
                yield path, f"`{dotted(path)}` is not there yet; take it out"
    for place, (to_come, there) in WORDS.items():
        for path, value in matches(data, place):
            word = value.get("kind") if isinstance(value, Mapping) else value
            if isinstance(word, str) and word in to_come:
                yield (
                    path,
                    f"`{dotted(path)}` is '{word}', which is not there yet; "
                    f"choose {listed(there, 'or')}",
                )
    for place, meaning in MAPPINGS.items():
        for path, value in matches(data, place):
            if isinstance(value, Mapping):
                yield (
                    path,
                    f"`{dotted(path)}` is {shown(dict(value))}: {meaning} is not there yet; "
                    f"give a plain value or take it out",
                )
