"""Sets single values of a recipe from the command line: ``student.train.epochs=5``.

A place is a dotted path; its value is YAML. A short form on the way to it is expanded: a word
to ``{kind: word}``, under ``weights`` to ``{path: word}``, and a number under ``objective`` to
``{weight: number}``. Missing sections are created.

``null`` removes an entry, which restores its default. A value replaces the old one, with one
exception: setting ``kind`` alone keeps the options beside it that the new kind has too, and
drops the file's others; options that were themselves set on the command line are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.errors import Problem
from orchestrator.recipe.message_text import shown, suggest
from orchestrator.recipe.places import Path, dotted, replaced
from orchestrator.recipe.yaml_values import YamlProblem, read_yaml

Options = Callable[[Path, str], frozenset[str] | None]
"""The options of a kind at a place, or None where they are not known."""


@dataclass(frozen=True)
class Override:
    """One setting from the command line, as it was written."""

    place: str
    value: Any
    text: str


class OverrideProblem(ValueError):
    """An override that cannot be read or applied; the message is one sentence."""


def read_override(text: str) -> Override:
    """Reads ``a.b=value``.

    Raises:
        OverrideProblem: there is no ``=``, no place, no value, or the value is not YAML.
    """
    place, equals, written = text.partition("=")
    place = place.strip()
    if not equals or not place or not all(place.split(".")):
        raise OverrideProblem(f"'{text}' sets nothing; write it as section.setting=value")
    if not written.strip():
        raise OverrideProblem(f"'{text}' gives no value; write {place}=null to remove it")
    try:
        return Override(place, read_yaml(written), text)
    except YamlProblem as problem:
        raise OverrideProblem(f"'{text}' has a value that {problem}") from None


def apply_overrides(
    data: Mapping[str, Any], texts: Sequence[str], options: Options
) -> tuple[dict[str, Any], list[Problem]]:
    """The recipe with ``texts`` applied in order, and a problem for each that cannot be."""
    result, problems = dict(data), []
    touched: set[Path] = set()
    for text in texts:
        try:
            override = read_override(text)
            result = _apply(result, override, options, touched)
        except OverrideProblem as problem:
            problems.append(Problem(text.partition("=")[0].strip(), str(problem)))
    return result, problems


def _apply(
    data: Mapping[str, Any], override: Override, options: Options, touched: set[Path]
) -> dict[str, Any]:
    changed, path = _set(data, override.place.split("."), override, ())
    touched.add(path)
    section = path[:-1]
    if path[-1] == "kind" and isinstance(override.value, str):
        allowed = options(section, override.value)
        if allowed is not None:
            kept = {each[len(section)] for each in touched if each[: len(section)] == section}
            changed = replaced(
                changed,
                section,
                lambda old: {n: v for n, v in old.items() if n in allowed or n in kept},
            )
    return dict(changed)


def _set(data: Any, parts: list[str], override: Override, above: Path) -> tuple[Any, Path]:
    """``data`` with the value at ``parts``, and the path that was taken."""
    if isinstance(data, list):
        return _set_in_list(data, parts, override, above)
    if not isinstance(data, Mapping):
        raise OverrideProblem(
            f"'{override.text}' goes through `{dotted(above)}`, which is {shown(data)} and has "
            f"no settings inside; set `{dotted(above)}` itself"
        )
    key, rest = _step(data, parts)
    if not rest:
        return _put(data, key, override, above), (*above, key)
    inner = _expand(data.get(key), (*above, key))
    changed, path = _set(inner, rest, override, (*above, key))
    return {**data, key: changed}, path


def _step(data: Mapping[str, Any], parts: list[str]) -> tuple[str, list[str]]:
    """The next key: the longest that exists, since a name may contain dots."""
    for length in range(len(parts), 0, -1):
        key = ".".join(parts[:length])
        if key in data:
            return key, parts[length:]
    return parts[0], parts[1:]


def _put(data: Mapping[str, Any], key: str, override: Override, above: Path) -> dict[str, Any]:
    if override.value is not None:
        return {**data, key: override.value}
    if key not in data:
        raise OverrideProblem(
            f"'{override.text}' removes `{dotted((*above, key))}`, which the recipe does not "
            f"set; {suggest(key, data)}"
        )
    return {name: value for name, value in data.items() if name != key}


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


def _set_in_list(
    data: list[Any], parts: list[str], override: Override, above: Path
) -> tuple[list[Any], Path]:
    key, *rest = parts
    if not key.isdecimal() or int(key) >= len(data):
        raise OverrideProblem(
            f"'{override.text}' names entry {key} of `{dotted(above)}`, which has "
            f"{len(data)}, counted from 0; set the whole list"
        )
    index = int(key)
    if not rest:
        entries = [] if override.value is None else [override.value]
        return [*data[:index], *entries, *data[index + 1 :]], (*above, index)
    inner = _expand(data[index], (*above, index))
    changed, path = _set(inner, rest, override, (*above, index))
    return [*data[:index], changed, *data[index + 1 :]], path
