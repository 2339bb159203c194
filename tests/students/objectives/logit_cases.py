"""Micro-batches on which terms on logits are tested, ordinary and hard ones."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pkgutil import resolve_name
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from pydantic import TypeAdapter
from torch import Tensor

from students.knowledge import Batch, Knowledge
from students.objectives.catalog import TERMS as CATALOG
from students.objectives.config import ObjectiveConfig
from students.objectives.objective import build_objective
from students.objectives.relations import RelationTerm

KINDS = tuple(
    kind
    for kind, place in CATALOG.items()
    if (each := resolve_name(place))
    and not issubclass(each, RelationTerm)
    and not any(field.is_required() for field in each.model_fields.values())
)
"""Every kind of term that needs neither layers nor anything else but logits and labels."""

TERMS: dict[str, dict[str, Any]] = {
    **{kind: {"kind": kind} for kind in KINDS},
    "standardized": {"kind": "soft_targets", "standardize": True},
    "softened_virtual_teacher": {"kind": "virtual_teacher", "student": "softened"},
}


@dataclass(frozen=True)
class Case:
    """``student`` [B, C], ``teachers`` [K, B, C], ``labels`` [B], and how teachers count."""

    student: Tensor
    teachers: Tensor
    labels: Tensor
    weights: Tensor
    known: Tensor
    present: Tensor
    fallback_labels: Tensor | None = None

    @property
    def batch(self) -> Batch:
        """The labels; the terms look at no picture."""
        count = len(self.labels)
        return Batch(torch.zeros(count, 1, 1, 1).byte(), self.labels, np.arange(count), 0)

    @property
    def knowledge(self) -> Knowledge:
        """What the teachers say."""
        return Knowledge(
            self.teachers, self.known, self.present, self.weights, {}, self.fallback_labels
        )

    def teachers_only(self, order: list[int]) -> Case:
        """The same with teachers left out, repeated or in another order."""
        parts = {part: getattr(self, part)[order] for part in ("teachers", "known", "present")}
        return replace(self, weights=self.weights[order], **parts)


def term(
    settings: dict[str, Any], *, temperature: float = 4.0, mean: str = "arithmetic"
) -> Callable[..., Tensor]:
    """The one term of an objective, as the catalog builds it."""
    config = TypeAdapter(ObjectiveConfig).validate_python({"term": settings})
    objective = build_objective(config, temperature=temperature, mean=mean)  # type: ignore[arg-type]
    return functools.partial(objective.term_loss, "term")


def value(of: Callable[..., Tensor], case: Case) -> Tensor:
    """The term's loss on a case."""
    return of({"logits": case.student}, case.batch, case.knowledge)


def case(
    seed: int, *, teachers: int = 3, batch: int = 4, classes: int = 5, spread: float = 3.0
) -> Case:
    """An ordinary micro-batch in float64: everybody present, all classes known, all labelled."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return spread * torch.randn(*shape, generator=generator, dtype=torch.float64)

    weights = torch.rand(teachers, batch, generator=generator, dtype=torch.float64) + 0.1
    return Case(
        student=normal(batch, classes),
        teachers=normal(teachers, batch, classes),
        labels=torch.randint(0, classes, (batch,), generator=generator),
        weights=weights / weights.sum(0),
        known=torch.ones(teachers, classes, dtype=torch.bool),
        present=torch.ones(teachers, batch, dtype=torch.bool),
    )


def partial(seed: int, **shape: Any) -> Case:
    """A micro-batch with gaps: of labels, of classes known, of teachers present, of answers."""
    whole = case(seed, **shape)
    generator = torch.Generator().manual_seed(seed + 1)

    def some(like: Tensor) -> Tensor:
        return torch.rand(like.shape, generator=generator) < 0.6

    known = whole.known & some(whole.known)
    known[:, 0] = True
    present = whole.present & some(whole.present)
    replaced = ~some(whole.labels)
    return replace(
        whole,
        labels=torch.where(some(whole.labels), whole.labels, -1),
        known=known,
        present=present,
        weights=torch.where(replaced, 0.0, whole.weights * present),
        fallback_labels=torch.where(replaced, whole.labels, -1),
    )


def _equal_rows(logits: Tensor) -> Tensor:
    return logits[..., :1, :].expand_as(logits).clone()


def _zeros(logits: Tensor) -> Tensor:
    return torch.zeros_like(logits)


def _constant(logits: Tensor) -> Tensor:
    return torch.full_like(logits, 0.1)


def _huge(logits: Tensor) -> Tensor:
    return 1e4 * logits.sign()


def _tiny(logits: Tensor) -> Tensor:
    return 1e-30 * logits


def _as_it_is(logits: Tensor) -> Tensor:
    return logits


SHAPES = (_equal_rows, _zeros, _constant, _huge, _tiny, _as_it_is)


@st.composite
def hard_cases(draw: st.DrawFn) -> Case:
    """Gaps of every kind, and on each side equal rows, zeros, constants, logits of 1e4."""
    make = draw(st.sampled_from([case, partial]))
    drawn = make(
        draw(st.integers(0, 10_000)),
        teachers=draw(st.integers(1, 3)),
        batch=draw(st.integers(1, 4)),
        classes=draw(st.integers(2, 5)),
    )
    dtype = draw(st.sampled_from([torch.float32, torch.bfloat16, torch.float64]))
    carried = torch.float64 if dtype == torch.float64 else torch.float32
    return replace(
        drawn,
        student=draw(st.sampled_from(SHAPES))(drawn.student).to(dtype),
        teachers=draw(st.sampled_from(SHAPES))(drawn.teachers).to(carried),
        weights=drawn.weights.to(carried),
    )
