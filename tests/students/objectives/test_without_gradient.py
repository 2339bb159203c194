"""What terms say of having no gradient is so, and what says nothing has one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from students.knowledge import Batch, Knowledge
from students.objectives.correlation import Correlation
from students.objectives.decoupled import Decoupled
from students.objectives.objective import build_objective
from students.objectives.relations import RelationAngle, RelationDistance
from students.objectives.soft_targets import SoftTargets
from students.objectives.term import Term
from students.objectives.virtual_teacher import VirtualTeacher

WHOLE = [
    (SoftTargets(standardize=True), 2, 8),
    (Decoupled(target=0), 2, 8),
    (Correlation(within=0), 2, 8),
    (Correlation(between=0), 4, 2),
    (Correlation(), 2, 2),
    (RelationDistance(), 4, 2),
    (RelationAngle(), 2, 8),
]
PART = [
    (Decoupled(), Decoupled(others=0), 2, 8),
    (Correlation(), Correlation(between=0), 2, 8),
    (Correlation(), Correlation(within=0), 4, 2),
]
FINE = [
    *((term, 3, 3) for term, _, _ in WHOLE if not isinstance(term, RelationAngle)),
    (RelationAngle(), 3, 4),
    (SoftTargets(), 2, 2),
]


def gradient(term: Term, classes: int, samples: int) -> torch.Tensor:
    draws = torch.Generator().manual_seed(0)
    student, *teachers = torch.randn(3, samples, classes, generator=draws, dtype=torch.float64)
    student.requires_grad_()
    knowledge = Knowledge(
        logits=torch.stack(teachers),
        known=torch.ones(2, classes, dtype=torch.bool),
        present=torch.ones(2, samples, dtype=torch.bool),
        weights=torch.full((2, samples), 0.5),
        taps={},
    )
    labels = torch.arange(samples) % classes
    batch = Batch(torch.zeros(samples), labels, np.arange(samples), 0)
    objective = build_objective({"term": term}, temperature=2.0, mean="arithmetic")
    loss, _ = objective({"logits": student}, batch, knowledge)
    return torch.autograd.grad(loss, student)[0]


@pytest.mark.parametrize(("term", "classes", "samples"), WHOLE)
def test_a_term_that_says_so_has_no_gradient(term: Term, classes: int, samples: int) -> None:
    assert "has no gradient, since" in term.without_gradient(classes, samples)
    # Not quite 0, for what a correlation is divided by has a small number added.
    assert float(gradient(term, classes, samples).abs().max()) < 1e-3


@pytest.mark.parametrize(("term", "rest", "classes", "samples"), PART)
def test_a_part_that_has_none_changes_no_gradient(
    term: Term, rest: Term, classes: int, samples: int
) -> None:
    assert "has no gradient from `" in term.without_gradient(classes, samples)
    found, of_rest = (gradient(each, classes, samples) for each in (term, rest))
    torch.testing.assert_close(found, of_rest, rtol=0, atol=1e-4)
    assert float(found.abs().max()) > 1e-3


@pytest.mark.parametrize(("term", "classes", "samples"), FINE)
def test_one_that_says_nothing_has_a_gradient(term: Term, classes: int, samples: int) -> None:
    assert term.without_gradient(classes, samples) == term.without_gradient(None, samples) == ""
    assert float(gradient(term, classes, samples).abs().max()) > 1e-3


def test_a_virtual_teacher_must_prefer_the_label() -> None:
    assert "teaches no label" in VirtualTeacher(probability=0.1).without_gradient(10, 8)
    assert VirtualTeacher(probability=0.11).without_gradient(10, 8) == ""
