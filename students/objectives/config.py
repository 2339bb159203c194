"""The recipe's section ``objective``: terms by name, each with a weight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator

from cluster.section import kind_first
from students.objectives.catalog import TERMS, TermConfig
from students.objectives.term import Term


def _name_is_the_kind(value: Any) -> Any:
    """Lets ``soft_targets: {weight: 0.9}`` stand for ``{kind: soft_targets, weight: 0.9}``."""
    if not isinstance(value, Mapping):
        return value
    return {name: _with_kind(name, term) for name, term in value.items() if term is not None}


def _with_kind(name: str, term: Any) -> Any:
    if isinstance(term, (int, float)) and not isinstance(term, bool):
        term = {"weight": term}
    if not isinstance(term, Mapping):
        return term
    if "kind" not in term and name in TERMS:
        term = {"kind": name, **term}
    return kind_first(dict(term))


ObjectiveConfig = Annotated[dict[str, TermConfig], BeforeValidator(_name_is_the_kind)]


def restricted_to(objective: Mapping[str, Term], teacher: str) -> dict[str, Term]:
    """The objective as ``teacher`` alone can teach it, without terms on others' layers."""
    alone = {name: term.restricted_to(teacher) for name, term in objective.items()}
    return {name: term for name, term in alone.items() if term is not None}
