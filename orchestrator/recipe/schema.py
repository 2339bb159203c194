"""What a recipe can hold where: its sections read as a tree of settings, kinds and choices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from cluster.section import LONGEST, Reason
from orchestrator.config import NAME, Recipe
from orchestrator.recipe.message_text import Path, listed

_TORCH_ENGINE = frozenset({"kind", "ranks"})

_PATTERNS = {
    NAME: "a name of letters, digits, `_`, `.` and `-` that begins with a letter or digit",
    r"^[^:]+\.py:[A-Za-z_]\w*$": "a function beside the recipe, written file.py:function",
}


@dataclass(frozen=True)
class Shape:
    """What is valid at one place of a recipe.

    ``core`` is the type without its bounds and ``bounds`` are these; ``choices`` are the
    members of a union without null (empty for a single type).
    """

    core: Any
    bounds: tuple[Any, ...] = ()
    choices: tuple[Shape, ...] = ()
    nullable: bool = False

    @property
    def section(self) -> type[BaseModel] | None:
        """The section, if a section is valid here."""
        return (
            self.core if isinstance(self.core, type) and issubclass(self.core, BaseModel) else None
        )

    @property
    def list_form(self) -> Shape | None:
        """The list, among several forms of a value."""
        return next((each for each in self.choices if get_origin(each.core) is tuple), None)

    @property
    def kinds(self) -> dict[str, type[BaseModel]]:
        """The sections to choose from by their ``kind``; empty if there is no such choice."""
        sections = [choice.section for choice in self.choices]
        named = {kind_of(section): section for section in sections if section is not None}
        return {} if None in named or len(named) < len(self.choices) else named  # type: ignore[return-value]


def fields_of(section: type[BaseModel]) -> dict[str, FieldInfo]:
    """The settings of a section, as a recipe spells them: ``from`` is no name in Python."""
    return {field.alias or name: field for name, field in section.model_fields.items()}


def kind_of(section: type[BaseModel]) -> str | None:
    """The ``kind`` that selects ``section``, if it is one of several."""
    field = section.model_fields.get("kind")
    if field is None or get_origin(field.annotation) is not Literal:
        return None
    words = get_args(field.annotation)
    return words[0] if len(words) == 1 else None


def shape_of(annotation: Any, *bounds: Any) -> Shape:
    """Reads a type annotation as pydantic does; ``bounds`` are more of its metadata."""
    read = FieldInfo.from_annotation(annotation)
    annotation, bounds = read.annotation, (*bounds, *read.metadata)
    if get_origin(annotation) not in (Union, UnionType):
        return Shape(annotation, bounds)
    members = [member for member in get_args(annotation) if member is not NoneType]
    nullable = len(members) < len(get_args(annotation))
    if len(members) == 1:
        return replace(shape_of(members[0], *bounds), nullable=nullable)
    return Shape(annotation, bounds, tuple(shape_of(member) for member in members), nullable)


def inside(shape: Shape, key: str | int) -> Shape | None:
    """What is valid under ``key`` of a mapping or a list."""
    if shape.list_form is not None:
        shape = shape.list_form
    origin, arguments = get_origin(shape.core), get_args(shape.core)
    if shape.section is not None:
        field = fields_of(shape.section).get(str(key))
        return shape_of(field.annotation, *field.metadata) if field is not None else None
    if origin is dict:
        return shape_of(arguments[1])
    if origin is tuple and isinstance(key, int):
        return shape_of(arguments[0] if arguments[-1] is Ellipsis else arguments[key])
    return None


def key_shape(shape: Shape) -> Shape:
    """What is valid as a name in a mapping; of anything else its own shape."""
    return shape_of(get_args(shape.core)[0]) if get_origin(shape.core) is dict else shape


def fixed_default(section: type[BaseModel], name: str) -> Any:
    """A setting's default, or None if it has none."""
    field = fields_of(section).get(name)
    return None if field is None or field.is_required() else field.get_default()


def with_default_kinds(data: Mapping[str, Any]) -> dict[str, Any]:
    """Names the default kind where only options are given: ``optimizer: {lr: 0.1}``."""
    return dict(_fill(data, shape_of(Recipe), None))


def _fill(value: Any, shape: Shape, default: Any) -> Any:
    if isinstance(value, list):
        return [
            _fill(each, entry, None)
            if isinstance(each, Mapping) and (entry := inside(shape, number)) is not None
            else each
            for number, each in enumerate(value)
        ]
    if not isinstance(value, Mapping):
        return value
    if shape.kinds:
        if "kind" not in value and isinstance(default, BaseModel):
            value = {"kind": kind_of(type(default)), **value}
        chosen = shape.kinds.get(str(value.get("kind")))
        if chosen is None:
            return value
        shape = shape_of(chosen)
    filled = {}
    for key, each in value.items():
        deeper = inside(shape, key)
        default = fixed_default(shape.section, key) if shape.section is not None else None
        filled[key] = each if deeper is None else _fill(each, deeper, default)
    return filled


def options_of(place: Path, kind: str) -> frozenset[str] | None:
    """The options of ``kind`` at ``place``; None if it is not a kind there."""
    shape: Shape | None = shape_of(Recipe)
    if place[-1:] == ("engine",) and kind == "torch":
        return _TORCH_ENGINE
    for key in place:
        shape = inside(shape, key) if shape is not None else None
    chosen = shape.kinds.get(kind) if shape is not None else None
    return frozenset(fields_of(chosen)) if chosen is not None else None


def reason_of(shape: Shape) -> str:
    """Why a number here has its bounds, as the end of a sentence; empty if that needs no words."""
    own = [each.text for each in shape.bounds if isinstance(each, Reason)]
    of_choices = (reason_of(choice) for choice in shape.choices)
    return f", since {own[0]}" if own else next(filter(None, of_choices), "")


def is_share(shape: Shape) -> bool:
    """Whether a number here is a share of one."""
    reasons = [bound for bound in shape.bounds if isinstance(bound, Reason)]
    largest = [getattr(bound, name, None) for bound in shape.bounds for name in ("le", "lt")]
    own = any(reason.share for reason in reasons) if reasons else 1 in largest
    return own or any(is_share(choice) for choice in shape.choices)


def requirement(shape: Shape) -> str:
    """What is required here, as the end of a sentence: ``a number greater than 0``."""
    if shape.kinds:
        return f"one of the kinds {listed(shape.kinds, 'or')}, as `kind: ...` with its options"
    if shape.choices:
        plain_first = sorted(shape.choices, key=lambda choice: bool(choice.kinds))
        return ", or ".join(requirement(choice) for choice in plain_first)
    origin, arguments = get_origin(shape.core), get_args(shape.core)
    if origin is Literal:
        return listed(
            [f"'{word}'" if isinstance(word, str) else str(word) for word in arguments], "or"
        )
    if origin is tuple:
        return _list_requirement(shape, arguments)
    if shape.section is not None:
        names = list(fields_of(shape.section))
        return f"a mapping of settings ({', '.join(names[:6])}{', ...' if names[6:] else ''})"
    if origin is dict:
        fewest = max((getattr(bound, "min_length", 0) for bound in shape.bounds), default=0)
        return f"a mapping of names to values{' that is not empty' if fewest else ''}"
    return _plain(shape)


def _list_requirement(shape: Shape, arguments: tuple[Any, ...]) -> str:
    each = requirement(shape_of(arguments[0]))
    if arguments[-1] is not Ellipsis:
        return f"a list of {len(arguments)} entries, each {each}"
    fewest = max((getattr(bound, "min_length", 0) for bound in shape.bounds), default=0)
    return f"a list{' that is not empty' if fewest else ''}, each entry {each}"


def _plain(shape: Shape) -> str:
    if shape.core is bool:
        return "true or false"
    if shape.core is timedelta:
        longest = f"{LONGEST.total_seconds() / 3600:g}h"
        return f"a duration greater than zero and at most {longest}, such as 60s, 10m or 1h"
    if shape.core is str:
        patterns = [getattr(bound, "pattern", None) for bound in shape.bounds]
        return next((_PATTERNS[each] for each in patterns if each in _PATTERNS), "text")
    word = {int: "a whole number", float: "a number"}.get(shape.core, "a plain value")
    return word + _range(shape.bounds)


def _range(bounds: tuple[Any, ...]) -> str:
    words = {"ge": "at least", "gt": "greater than", "le": "at most", "lt": "less than"}
    limits = {
        name: f"{getattr(bound, name):g}"
        for bound in bounds
        for name in words
        if hasattr(bound, name)
    }
    if set(limits) == {"ge", "le"}:
        return f" from {limits['ge']} to {limits['le']}"
    text = " and ".join(f"{word} {limits[name]}" for name, word in words.items() if name in limits)
    return "" if not text else f" {text}" if text.startswith("greater") else f" of {text}"
