"""Turns pydantic's errors into problems of a recipe: place, value, rule, remedy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from cluster.section import kind_first
from orchestrator.config import Name
from orchestrator.recipe.message_text import Path, dotted, listed, nearest, shown, suggest
from orchestrator.recipe.schema import (
    Shape,
    fields_of,
    fixed_default,
    inside,
    is_share,
    key_shape,
    kind_of,
    reason_of,
    requirement,
    shape_of,
)

_BOUNDS = ("greater_than", "greater_than_equal", "less_than", "less_than_equal")


@dataclass(frozen=True)
class LocatedError:
    """One of pydantic's errors at its place in the recipe.

    ``owner`` is the section whose setting it is; ``siblings`` are the kinds to choose from in the
    owner's place; ``message`` is the sentence of a section's own validator.
    """

    path: Path
    kind: str
    value: Any
    shape: Shape
    owner: type[BaseModel] | None
    siblings: Mapping[str, type[BaseModel]]
    message: str


def locate_errors(
    errors: Sequence[Mapping[str, Any]], recipe: type[BaseModel]
) -> list[LocatedError]:
    """The errors at their places; of several forms tried for one value only the first."""
    found: dict[tuple[Path, bool], LocatedError] = {}
    for error in errors:
        each = _locate(error, recipe)
        if each is not None:
            found.setdefault((each.path, each.kind == "missing"), each)
    return list(found.values())


def _locate(error: Mapping[str, Any], recipe: type[BaseModel]) -> LocatedError | None:
    """Follows an error's location down the sections, without tags and names of branches; none
    for a form of a value that the value is not meant to have."""
    shape, path, owner = shape_of(recipe), [], None
    siblings: Mapping[str, type[BaseModel]] = {}
    last, keys = len(error["loc"]) - 1, shape
    for index, part in enumerate(error["loc"]):
        if part == "[key]":
            shape = keys
            break
        if shape.kinds:
            siblings, shape = shape.kinds, shape_of(shape.kinds[str(part)])
            owner = shape.section
            continue
        if shape.choices:
            branch = _branch(shape, str(part))
            of_list = isinstance(error["input"], (list, tuple))
            if of_list and branch is not shape.list_form is not None:
                return None
            if branch is not None and (index < last or isinstance(error["input"], dict)):
                shape, owner = branch, branch.section
                continue
            mapping_meant = isinstance(error["input"], dict) and any(
                choice.section is not None or choice.kinds for choice in shape.choices
            )
            if branch is not None or mapping_meant:
                return None
            break
        path.append(part)
        if shape.section is not None and shape.section is not owner:
            owner, siblings = shape.section, {}
        deeper = inside(shape, part)
        if deeper is None:
            break
        keys, shape = key_shape(shape), deeper
    return LocatedError(
        tuple(path), str(error["type"]), error["input"], shape, owner, siblings,
        str(error["msg"]).removeprefix("Value error, "),
    )  # fmt: skip


def _branch(shape: Shape, label: str) -> Shape | None:
    """The section, or the choice of kinds, among the forms of a value which pydantic calls
    ``label``."""
    if label.startswith("tuple["):
        return shape.list_form
    for choice in shape.choices:
        if choice.section is not None and choice.section.__name__ == label:
            return choice
        if choice.kinds and label.startswith(f"function-before[{kind_first.__name__}()"):
            return choice
    return None


def sentence(error: LocatedError) -> str:
    """The problem in one sentence."""
    place = f"`{dotted(error.path)}`" if error.path else "the recipe"
    if error.kind == "extra_forbidden":
        return _unknown(place, error)
    if error.kind == "missing":
        return f"{place} is missing; give {requirement(error.shape)}"
    if error.kind in ("union_tag_invalid", "union_tag_not_found"):
        return _kind(place, error)
    if error.kind == "string_pattern_mismatch" and error.path and error.path[-1] == error.value:
        return f"{place} is not a valid name; give {requirement(shape_of(Name))}"
    if error.kind == "literal_error" and error.path and error.path[-1] == error.value:
        return f"{place} is not a valid name; give {requirement(error.shape)}"
    if error.kind == "value_error" and error.shape.core is Any:
        return f"{place} is {shown(error.value)}, but {error.message}"
    if error.kind == "value_error" and error.shape.section is not None:
        verb = " " if error.message.startswith("must ") else ": "
        return f"{place}{verb}{error.message}"
    if error.kind == "value_error" and error.message.startswith("must name"):
        return f"{place} is {shown(error.value)}, but {error.message}; take the repetition out"
    rule, text = requirement(error.shape), str(error.value)
    # Why a number is above zero needs no words.
    if error.kind in _BOUNDS and text != "0" and not text.startswith("-"):
        rule += reason_of(error.shape)
    return f"{place} is {shown(error.value)}, but must be {rule}; {_remedy(error)}"


def _unknown(place: str, error: LocatedError) -> str:
    name, owner = str(error.path[-1]), error.owner
    own = list(fields_of(owner)) if owner is not None else []
    kind = kind_of(owner) if owner is not None and error.siblings else None
    of_kind = f" of kind '{kind}'" if kind else ""
    elsewhere = [other for other, section in error.siblings.items() if name in fields_of(section)]
    if elsewhere:
        return (
            f"{place} is not a setting{of_kind}, but of {listed(elsewhere)}; "
            f"take it out or choose another kind"
        )
    return f"{place} is not a setting{of_kind}; {suggest(name, own)}"


def _kind(place: str, error: LocatedError) -> str:
    kinds = error.shape.kinds
    there = f"the kinds are {listed(kinds)}"
    kind = error.value.get("kind") if isinstance(error.value, dict) else error.value
    if isinstance(kind, str) and _numeric(kind):
        return f"{place} is {shown(kind)}; write {kind} without quotes, or a kind ({there})"
    if isinstance(kind, str):
        near = nearest(kind, kinds)
        hint = f"did you mean '{near}'? ({there})" if near else there
        return f"{place} is of kind {shown(kind)}, which does not exist; {hint}"
    if kind is not None:
        return f"{place} is of kind {shown(kind)}, but a kind is a word; {there}"
    near = nearest(str(error.path[-1]), kinds) if error.path else None
    hint = f"did you mean `{near}`? ({there})" if near else there
    return f"{place} has no `kind`; {hint}"


def _remedy(error: LocatedError) -> str:
    name = str(error.path[-1]) if error.path else ""
    needs_number = "number" in requirement(error.shape)
    if needs_number and isinstance(error.value, str) and _numeric(error.value):
        return f"write {error.value} without quotes"
    percent = _percent(error.value)
    if percent is not None and is_share(error.shape):
        return f"for {percent:g} % write {percent / 100:g}"
    default = fixed_default(error.owner, name) if error.owner is not None else None
    if isinstance(default, (str, int, float)):
        return f"give that, or leave it out for {default}"
    if error.shape.nullable:
        return "give that, or leave it out"
    return "give that"


def _percent(value: Any) -> float | None:
    """The number that ``value`` may be in percent: 20, or the text 20%."""
    if isinstance(value, str) and value.strip().endswith("%") and _numeric(value.strip()[:-1]):
        value = float(value.strip()[:-1])
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if number and 2 <= value <= 100 else None


def _numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
