"""Resolves ``${env:NAME}``: the one module that reads a recipe's values from the environment.

Such a value may be a secret, or differ between machines. So it is allowed only where a value
says where something is and enters no digest: anywhere under ``tracking``, and as a path of
files (``transfer_set.root``, ``weights``, ``weights.path``), whose contents enter the digest
instead, and as the address of a study (``search.storage``). Elsewhere it is a problem. Where a
recipe is printed, logged or quoted in a sentence, the text ``${env:NAME}`` replaces the value.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.errors import Problem
from orchestrator.recipe.message_text import Path, dotted

_REFERENCE = re.compile(r"\$\{env:([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Resolved:
    """A recipe's values with the environment's in place.

    ``written`` has the recipe's text for each value that came (in part) from the environment,
    by path; ``problems`` are by path too.
    """

    data: dict[str, Any]
    written: Mapping[Path, str]
    problems: Mapping[Path, Problem]


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
        written[path] = value
        fault = _fault(value, path, values)
        if fault is not None:
            problems[path] = Problem(dotted(path), f"`{dotted(path)}` is '{value}', {fault}")
            return value
        return _REFERENCE.sub(lambda match: values[match[1]], value)

    return Resolved(visit(data, ()), written, problems)


def _fault(text: str, path: Path, values: Mapping[str, str]) -> str | None:
    names = _REFERENCE.findall(text)
    if not names or not all(_NAME.fullmatch(name) for name in names):
        return "which names no variable; write it as ${env:NAME}"
    of_model = path[0] in ("student", "teachers")
    weights = of_model and (path[-1] == "weights" or path[-2:] == ("weights", "path"))
    places = (("transfer_set", "root"), ("search", "storage"))
    if not weights and path[0] != "tracking" and path not in places:
        return (
            "but the environment may only say where things are (under `tracking`, in `root`, in "
            "`storage` and in a path of weights), since no digest includes it; write the value "
            "itself"
        )
    absent = [name for name in names if name not in values]
    if absent:
        return f"but the variable {absent[0]} is not set; set it, or write the value itself"
    return None


def value_at(data: Any, path: Path) -> Any:
    """The value at ``path``, which must be there."""
    for key in path:
        data = data[key]
    return data


def hide(text: str, resolved: Mapping[Path, str], data: Any) -> str:
    """``text`` with every value that came from the environment as it was written."""
    for path, written in resolved.items():
        if (value := value_at(data, path)) != written:
            text = text.replace(repr(value), f"'{written}'")
    return text
