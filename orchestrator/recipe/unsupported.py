"""Settings of the recipe's language that this version does not support yet, refused by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.errors import Finding
from orchestrator.recipe.message_text import listed, shown
from orchestrator.recipe.places import Path, dotted, matches, without

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
}
"""Words for a value, or kinds, by place: those not supported, then those to choose from."""

MAPPINGS: dict[Pattern, str] = {
    ("student", "objective", "*", "temperature"): "a schedule of temperatures",
}
"""Places where a mapping is not supported, and what it stands for; a plain value is."""


def split_unsupported(data: Mapping[str, Any]) -> tuple[dict[str, Any], dict[Path, Finding]]:
    """The recipe without what is not supported, and a finding for each place taken out."""
    found = {path: (dotted(path), text) for path, text in _unsupported(data)}
    left: Any = data
    for path in found:
        left = without(left, path)
    return dict(left), found


def _unsupported(data: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    for setting in SETTINGS:
        for path, value in matches(data, setting):
            if value is not None:
                yield path, "is not supported yet; take it out"
    for place, (unsupported, supported) in WORDS.items():
        for path, value in matches(data, place):
            word = value.get("kind") if isinstance(value, Mapping) else value
            if isinstance(word, str) and word in unsupported:
                choice = listed(supported, "or")
                yield path, f"is '{word}', which is not supported yet; choose {choice}"
    for place, meaning in MAPPINGS.items():
        for path, value in matches(data, place):
            if isinstance(value, Mapping):
                yield (
                    path,
                    f"is {shown(dict(value))}: {meaning} is not supported yet; give a plain value "
                    "or take it out",
                )
