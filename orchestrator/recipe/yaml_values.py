"""Reads YAML into plain values, safely: bounded, without tags, each key once."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

LARGEST = 1_000_000
"""Bytes a recipe may have."""

_MOST_ENTRIES = 100_000
_DEEPEST = 40
_FLOAT = re.compile(
    r"""^(?:[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?
    |[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$""",
    re.VERBOSE,
)


class YamlProblem(ValueError):
    """Text that is not a plain YAML value; the message is the end of a sentence."""


class _Loader(yaml.SafeLoader):
    """The safe loader, with YAML 1.2's numbers (``1e-3`` is one) and without repeated keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        lines: dict[str | None, int] = {}
        for key, _ in node.value:
            name, line = getattr(key, "value", None), key.start_mark.line + 1
            if isinstance(name, str) and name in lines and name != "<<":
                raise YamlProblem(
                    f"has the key `{name}` twice, in lines {lines[name]} and {line}; keep one"
                )
            lines[name] = line
        return super().construct_mapping(node, deep=deep)


# The order matters: the first pattern that fits wins, and whole numbers stay whole.
_Loader.yaml_implicit_resolvers = {
    letter: [(tag, test) for tag, test in tests if tag != "tag:yaml.org,2002:float"]
    for letter, tests in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))


def read_yaml(text: str) -> Any:
    """The value of ``text``: mappings with text keys, lists, text, numbers, null.

    Raises:
        YamlProblem: it is no YAML, has a key twice, or holds something that is no such value.
    """
    try:
        value = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except YamlProblem:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        what = error.problem or "cannot be read"
        raise YamlProblem(f"is not YAML{place} ({what}); correct it there") from None
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        raise YamlProblem(f"is not YAML ({' '.join(str(error).split())}); correct it") from None
    _measure(value, 0, [0])
    return value


def _measure(value: Any, depth: int, seen: list[int]) -> None:
    """Walks the values of aliases too, so that a short text cannot expand without end."""
    seen[0] += 1
    if seen[0] > _MOST_ENTRIES or depth > _DEEPEST:
        raise YamlProblem(
            f"expands to more than {_MOST_ENTRIES} entries or {_DEEPEST} levels; make it smaller"
        )
    if isinstance(value, dict):
        for key, entry in value.items():
            if not isinstance(key, str):
                raise YamlProblem(f"has the key {key!r}, which is not text; put it in quotes")
            _measure(entry, depth + 1, seen)
    elif isinstance(value, list):
        for entry in value:
            _measure(entry, depth + 1, seen)
    elif value is not None and not isinstance(value, (str, int, float, bool)):
        raise YamlProblem(f"holds a {type(value).__name__}, {value}; put it in quotes")


def dump_yaml(value: Any) -> str:
    """``value`` as YAML that ``read_yaml`` reads back to the same; short lists on one line."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


class _Dumper(yaml.SafeDumper):
    """Block mappings; lists of plain values in one line; no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_sequence(
        self, tag: str, sequence: Any, flow_style: bool | None = None
    ) -> yaml.SequenceNode:
        flat = all(not isinstance(entry, (dict, list)) for entry in sequence)
        return super().represent_sequence(tag, sequence, flow_style=flat)


# So that text such as `1e-3`, a number to the loader above, is written in quotes.
_Dumper.yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers
