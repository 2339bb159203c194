"""Says the kind where a recipe gives options alone, and what options a kind has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cluster.section import Section
from orchestrator.config import Recipe
from orchestrator.recipe.message_text import Path
from orchestrator.recipe.schema import Shape, fixed_default, inside, kind_of, shape_of

_TORCH_ENGINE = frozenset({"kind", "ranks"})


def with_default_kinds(data: Mapping[str, Any]) -> dict[str, Any]:
    """``optimizer: {lr: 0.1}`` means the default optimizer, which is then named in it."""
    filled: dict[str, Any] = _fill(data, shape_of(Recipe), None)
    return filled


def _fill(value: Any, shape: Shape, default: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    if shape.kinds:
        if "kind" not in value and isinstance(default, Section):
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
    """The options of ``kind`` at ``place``, or None where it is no kind or is not known there."""
    shape: Shape | None = shape_of(Recipe)
    if place[-1:] == ("engine",) and kind == "torch":
        return _TORCH_ENGINE
    for key in place:
        shape = inside(shape, key) if shape is not None else None
    chosen = shape.kinds.get(kind) if shape is not None else None
    return frozenset(chosen.model_fields) if chosen is not None else None
