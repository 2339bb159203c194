"""Resolves ``${env:NAME}``: the one place that reads a recipe's values from the environment.

What comes from the environment may be a secret, or differ from machine to machine. So it may
stand only where a value places something and enters no digest: anywhere under ``tracking``,
and as the place of files (``transfer_set.root``, ``weights``, ``weights.path``), where what
the files hold is what counts. Elsewhere it is a problem. Wherever a recipe is printed, logged
or quoted in a sentence, the text ``${env:NAME}`` stands instead of the value.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.errors import Problem
from orchestrator.recipe.message_text import Path, dotted

_REFERENCE = re.compile(r"\$\{env:([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Resolved:
    """A recipe's values with the environment's in place.

    ``written`` has the text that stood in the recipe, by path, for each value that came
    (in part) from the environment; ``problems`` is by path too.
    """

    data: dict[str, Any]
    written: Mapping[Path, str] = field(default_factory=dict)
    problems: Mapping[Path, Problem] = field(default_factory=dict)


def resolve_environment(
    data: Mapping[str, Any], environment: Mapping[str, str] | None = None
) -> Resolved:
    """Puts the environment's values into ``data``; this process's environment if none is given."""
    values = os.environ if environment is None else environment
    written: dict[Path, str] = {}
    problems: dict[Path, Problem] = {}

    def visit(value: Any, path: Path) -> Any:
        if isinstance(value, Mapping):
            return {key: visit(each, (*path, key)) for key, each in value.items()}
        if isinstance(value, list):
            return [visit(each, (*path, index)) for index, each in enumerate(value)]
        if not isinstance(value, str) or "${env:" not in value:
            return value
        fault = next(_faults(value, path, values), None)
        written[path] = value
        if fault is not None:
            problems[path] = Problem(dotted(path), fault)
            return value
        return _REFERENCE.sub(lambda match: values[match[1]], value)

    return Resolved(visit(data, ()), written, problems)


def _faults(text: str, path: Path, values: Mapping[str, str]) -> Iterator[str]:
    place = f"`{dotted(path)}` is '{text}'"
    names = _REFERENCE.findall(text)
    if not names or not all(_NAME.fullmatch(name) for name in names):
        yield f"{place}, which names no variable; write it as ${{env:NAME}}"
    if not may_come_from_environment(path):
        yield (
            f"{place}, but what the environment says may only place things (under `tracking`, "
            f"in `root` and in a path of weights), since it is in no digest; write the value itself"
        )
    for name in names:
        if name not in values:
            yield f"{place}, but the variable {name} is not set; set it, or write the value itself"


def may_come_from_environment(path: Path) -> bool:
    """Whether the value at ``path`` places something and is part of no digest."""
    if path[0] == "tracking" or path == ("transfer_set", "root"):
        return True
    owner = path[:1] == ("student",) or path[:1] == ("teachers",)
    return owner and (path[-1] == "weights" or path[-2:] == ("weights", "path"))


def hide(text: str, resolved: Mapping[Path, str], data: Any) -> str:
    """``text`` with every value that came from the environment as it was written."""
    for path, written in resolved.items():
        value = data
        for key in path:
            value = value[key]
        if value != written:
            text = text.replace(repr(value), f"'{written}'")
    return text
