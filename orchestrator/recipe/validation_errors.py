"""Turns what pydantic says about a recipe into problems: place, value, rule, remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cluster.section import Section, kind_first
from orchestrator.config import Name
from orchestrator.errors import Problem
from orchestrator.recipe.message_text import Path, dotted, listed, nearest, shown, suggest
from orchestrator.recipe.schema import (
    Shape,
    fixed_default,
    inside,
    kind_of,
    requirement,
    shape_of,
)


@dataclass(frozen=True)
class Located:
    """One of pydantic's errors at its place in the recipe.

    ``owner`` is the section whose setting it is; ``siblings`` are the kinds that could stand
    where the owner does; ``said`` is the sentence of a section's own validator.
    """

    path: Path
    kind: str
    value: Any
    shape: Shape
    owner: type[Section] | None
    siblings: Mapping[str, type[Section]]
    said: str


def problems_of(errors: Sequence[Mapping[str, Any]], recipe: type[Section]) -> list[Problem]:
    """One problem for each place that pydantic found fault with, in its order."""
    return [Problem(dotted(each.path), sentence(each)) for each in located(errors, recipe)]


def located(errors: Sequence[Mapping[str, Any]], recipe: type[Section]) -> list[Located]:
    """The errors at their places; several forms tried for one value count once."""
    found: dict[tuple[Path, bool], Located] = {}
    for error in errors:
        for each in _locate(error, recipe):
            found.setdefault((each.path, each.kind == "missing"), each)
    return list(found.values())


def _locate(error: Mapping[str, Any], recipe: type[Section]) -> Iterator[Located]:
    """Follows an error's location down the sections, leaving out tags and names of branches."""
    shape, path, owner = shape_of(recipe), [], None
    siblings: Mapping[str, type[Section]] = {}
    last = len(error["loc"]) - 1
    for index, part in enumerate(error["loc"]):
        if part == "[key]":
            break
        if shape.kinds:
            siblings, shape = shape.kinds, shape_of(shape.kinds[str(part)])
            owner = shape.section
            continue
        if shape.choices:
            branch = _branch(shape, str(part))
            if branch is not None and (index < last or isinstance(error["input"], dict)):
                shape, owner = branch, branch.section
                continue
            if branch is not None or _is_mapping_branch_elsewhere(shape, error["input"]):
                return
            break
        path.append(part)
        if shape.section is not None and shape.section is not owner:
            owner, siblings = shape.section, {}
        deeper = inside(shape, part)
        if deeper is None:
            break
        shape = deeper
    yield Located(
        tuple(path), str(error["type"]), error["input"], shape, owner, siblings,
        str(error["msg"]).removeprefix("Value error, "),
    )  # fmt: skip


def _branch(shape: Shape, label: str) -> Shape | None:
    """The section, or the choice of kinds, among the forms of a value which pydantic calls
    ``label``."""
    for choice in shape.choices:
        if choice.section is not None and choice.section.__name__ == label:
            return choice
        if choice.kinds and label.startswith(f"function-before[{kind_first.__name__}()"):
            return choice
    return None


def _is_mapping_branch_elsewhere(shape: Shape, value: Any) -> bool:
    """Whether the value is a mapping, so only the form that is a section matters."""
    return isinstance(value, dict) and any(
        choice.section is not None or choice.kinds for choice in shape.choices
    )


def sentence(error: Located) -> str:
    """The problem in one sentence."""
    place = f"`{dotted(error.path)}`" if error.path else "the recipe"
    if error.kind == "extra_forbidden":
        return _unknown(place, error)
    if error.kind == "missing":
        return f"{place} is missing; give {requirement(error.shape)}"
    if error.kind in ("union_tag_invalid", "union_tag_not_found"):
        return _kind(place, error)
    if error.kind == "string_pattern_mismatch" and error.path and error.path[-1] == error.value:
        return f"{place} is no name; give it {requirement(shape_of(Name))}"
    if error.kind == "value_error" and error.shape.section is not None:
        verb = " " if error.said.startswith("must ") else ": "
        return f"{place}{verb}{error.said}"
    if error.kind == "value_error" and error.said.startswith("must name"):
        return f"{place} is {shown(error.value)}, but {error.said}; take the second out"
    return (
        f"{place} is {shown(error.value)}, but must be {requirement(error.shape)}; {_remedy(error)}"
    )


def _unknown(place: str, error: Located) -> str:
    name, owner = str(error.path[-1]), error.owner
    own = list(owner.model_fields) if owner is not None else []
    kind = kind_of(owner) if owner is not None and error.siblings else None
    of_kind = f" of kind '{kind}'" if kind else ""
    elsewhere = [other for other, section in error.siblings.items() if name in section.model_fields]
    if elsewhere:
        return (
            f"{place} is not a setting{of_kind}, but of {listed(elsewhere)}; "
            f"take it out or choose another kind"
        )
    return f"{place} is not a setting{of_kind}; {suggest(name, own)}"


def _kind(place: str, error: Located) -> str:
    kinds = error.shape.kinds
    there = f"there are {listed(kinds)}"
    said = error.value.get("kind") if isinstance(error.value, dict) else error.value
    if isinstance(said, str) and _numeric(said):
        return f"{place} is {shown(said)}; write {said} without quotes, or a kind ({there})"
    if isinstance(said, str):
        near = nearest(said, kinds)
        hint = f"did you mean '{near}'? (" + there + ")" if near else there
        return f"{place} is of kind {shown(said)}, which is none; {hint}"
    if said is not None:
        return f"{place} is of kind {shown(said)}, but a kind is a word; {there}"
    near = nearest(str(error.path[-1]), kinds) if error.path else None
    hint = f"did you mean `{near}`? ({there})" if near else there
    return f"{place} has no `kind`; {hint}"


def _remedy(error: Located) -> str:
    name = str(error.path[-1]) if error.path else ""
    if (
        isinstance(error.value, str)
        and _numeric(error.value)
        and "number" in requirement(error.shape)
    ):
        return f"write {error.value} without quotes"
    default = fixed_default(error.owner, name) if error.owner is not None else None
    if isinstance(default, (str, int, float)):
        return f"give that, or leave it out for {default}"
    if error.shape.nullable:
        return "give that, or leave it out"
    return "give that"


def _numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
