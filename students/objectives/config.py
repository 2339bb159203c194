"""The recipe's section ``objective``: terms by name, each with a weight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from cluster.section import Section

TERM_KINDS = ("task", "soft_targets", "logit_l2", "hint")


class TermBase(Section):
    """What all terms have."""

    weight: Annotated[float, Field(ge=0)] = 1.0


class Task(TermBase):
    """Cross-entropy with the labels; samples without a label do not count."""

    kind: Literal["task"] = "task"
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0


class SoftTargets(TermBase):
    """KL from the ensemble's softened distribution to the student's, times T squared."""

    kind: Literal["soft_targets"] = "soft_targets"
    temperature: Annotated[float, Field(gt=0, le=1000)] | None = Field(
        None, description="the ensemble's, if not said"
    )


class LogitL2(TermBase):
    """Half the squared distance between the student's logits and the teachers' mean logits."""

    kind: Literal["logit_l2"] = "logit_l2"


class Hint(TermBase):
    """A student's layer, through an adapter, against a teacher's layer (FitNets)."""

    kind: Literal["hint"] = "hint"
    teacher: str = Field(min_length=1)
    hint: str = Field(min_length=1, description="the teacher's layer, named as the module is")
    guided: str = Field(min_length=1, description="the student's layer")
    reduction: Literal["none", "pool"] = Field(
        "none", description="pool: the teacher's layer averaged over its positions"
    )


TermConfig = Annotated[Task | SoftTargets | LogitL2 | Hint, Field(discriminator="kind")]


def _name_is_the_kind(value: Any) -> Any:
    """Lets ``soft_targets: {weight: 0.9}`` stand for ``{kind: soft_targets, weight: 0.9}``."""
    if not isinstance(value, Mapping):
        return value
    return {name: _with_kind(name, term) for name, term in value.items() if term is not None}


def _with_kind(name: str, term: Any) -> Any:
    if isinstance(term, (int, float)) and not isinstance(term, bool):
        term = {"weight": term}
    if isinstance(term, Mapping) and "kind" not in term and name in TERM_KINDS:
        return {"kind": name, **term}
    return term


ObjectiveConfig = Annotated[dict[str, TermConfig], BeforeValidator(_name_is_the_kind)]
