"""Sets single values of a recipe from the command line: ``student.train.epochs=5``.

A place is a dotted path; its value is YAML. A short form on the way to it is expanded: a word
to ``{kind: word}``, under ``weights`` to ``{path: word}``, and a number under ``objective`` to
``{weight: number}``. Missing sections are created.

``null`` removes an entry, which restores its default. A value replaces the old one, with one
exception: setting ``kind`` alone keeps the options beside it that the new kind has too, and
drops the file's others; options that were themselves set on the command line are kept.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.errors import Problem
from orchestrator.recipe.message_text import Path, dotted, shown, suggest
from orchestrator.recipe.schema import options_of
from orchestrator.recipe.yaml_values import YamlProblem, read_yaml


class OverrideProblem(ValueError):
    """An override that cannot be read or applied; the message is the end of a sentence."""


def apply_overrides(
    data: Mapping[str, Any], texts: Sequence[str]
) -> tuple[dict[str, Any], list[Problem]]:
    """The recipe with ``texts`` applied in order, and a problem for each that cannot be."""
    result, problems = dict(data), []
    touched: set[Path] = set()
    for text in texts:
        place, equals, written = text.partition("=")
        place = place.strip()
        changed = dict(result)
        try:
            if not equals or not all(place.split(".")):
                raise OverrideProblem("sets nothing; write it as section.setting=value")
            if not written.strip():
                raise OverrideProblem(f"gives no value; write {place}=null to remove it")
            _set(changed, place.split("."), read_yaml(written), touched)
            result = changed
        except YamlProblem as problem:
            problems.append(Problem(place, f"'{text}' has a value that {problem}"))
        except OverrideProblem as problem:
            problems.append(Problem(place, f"'{text}' {problem}"))
    return result, problems


def _set(data: dict[str, Any], parts: list[str], value: Any, touched: set[Path]) -> None:
    """Sets ``value`` in ``data`` and adds the path that was taken to ``touched``.

    What lies inside ``data`` is copied where it changes: an alias may hold it elsewhere too.
    """
    here: Any = data
    section: Path = ()
    key, parts = _step(here, parts, section)
    while parts:
        section = (*section, key)
        old = here[key] if isinstance(here, list) else here.get(key)
        here[key] = copy.copy(_expand(old, section))
        here = here[key]
        key, parts = _step(here, parts, section)
    path = (*section, key)
    if value is not None:
        here[key] = value
    elif isinstance(here, list) or key in here:
        del here[key]
    else:
        raise OverrideProblem(
            f"removes `{dotted(path)}`, which the recipe does not set; {suggest(key, here)}"
        )
    touched.add(path)
    options = options_of(section, value) if key == "kind" and isinstance(value, str) else None
    if options is not None and section not in touched:
        kept = {each[len(section)] for each in touched if each[: len(section)] == section}
        for name in set(here) - options - kept:
            del here[name]


def _step(here: Any, parts: list[str], above: Path) -> tuple[Any, list[str]]:
    """The next key and the parts after it: the longest key that exists, since a name may contain
    dots; in a list an index."""
    if isinstance(here, list):
        if not parts[0].isdecimal() or int(parts[0]) >= len(here):
            raise OverrideProblem(
                f"names entry {parts[0]} of `{dotted(above)}`, which has {len(here)}, counted "
                "from 0; set the whole list"
            )
        return int(parts[0]), parts[1:]
    if not isinstance(here, Mapping):
        raise OverrideProblem(
            f"goes through `{dotted(above)}`, which is {shown(here)} and has no settings inside; "
            f"set `{dotted(above)}` itself"
        )
    for length in range(len(parts), 0, -1):
        key = ".".join(parts[:length])
        if key in here:
            return key, parts[length:]
    return parts[0], parts[1:]


def find_value(data: Any, place: str) -> Any:
    """What ``data`` has at a dotted path; none where it has nothing."""
    parts = place.split(".")
    while parts:
        if not isinstance(data, (Mapping, list)):
            return None
        try:
            key, parts = _step(data, parts, ())
            data = data[key]
        except (OverrideProblem, KeyError):
            return None
    return data


def _expand(value: Any, path: Path) -> Any:
    """The long form of a value inside which an override sets something."""
    if value is None or (value == "none" and path[-1] == "weights"):
        return {}
    if isinstance(value, str):
        return {"path" if path[-1] == "weights" else "kind": value}
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if number and len(path) > 1 and path[-2] == "objective":
        return {"weight": value}
    return value
