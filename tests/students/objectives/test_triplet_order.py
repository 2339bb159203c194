"""Votes on triplets: the published case, who has a vote, what is dropped, which are drawn."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from students.objectives.triplet_order import draw_triplets, triplet_order_loss, votes
from tests.golden.cases import golden, tensor

EVERYBODY = torch.ones(6, dtype=torch.bool)


def _some(count=6, width=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, width, generator=generator)


def _all(count=6):
    return torch.from_numpy(draw_triplets(np.arange(count), 0, 10**6))


def _loss(student, teachers, margin=0.2, present=EVERYBODY):
    drawn = _all(len(student))
    majority = torch.stack([votes(each, present, drawn) for each in teachers]).sum(0)
    return triplet_order_loss(student, majority, drawn, margin=margin)


def test_votes_majority_and_loss_are_those_of_the_golden_case():
    case = golden("you_triplet_voting")
    triplet = torch.tensor([case.inputs["triplet"]])
    present = torch.ones(3, dtype=torch.bool)
    cast = torch.stack(
        [votes(tensor(each), present, triplet) for each in case.inputs["teacher_embeddings"]]
    )
    assert cast[:, 0].tolist() == case.expected["votes"]
    majority = cast.sum(0)
    assert majority.sign().item() == case.expected["majority"]
    student = tensor(case.inputs["student_embeddings"])
    loss = triplet_order_loss(student, majority, triplet, margin=case.params["delta"])
    assert float(loss) == pytest.approx(case.expected["loss"], abs=case.tol)


def test_the_order_of_teachers_does_not_matter_and_copies_of_one_are_that_one():
    student, *teachers = (_some(seed=seed) for seed in range(4))
    one, two, three = teachers
    assert torch.equal(_loss(student, [one, two, three]), _loss(student, [three, one, two]))
    assert torch.equal(_loss(student, [one, one, one]), _loss(student, [one]))
    assert not torch.equal(_loss(student, [one, two, three]), _loss(student, [one]))


def test_a_student_that_keeps_the_teachers_orders_with_the_margin_has_no_loss():
    corners = torch.tensor([[0.0], [1.0], [3.0], [7.0], [15.0], [31.0]])
    assert _loss(100 * corners, [corners]).item() == 0.0
    assert _loss(100 * corners, [corners.flip(0) ** 2]).item() > 0


def test_even_votes_and_ties_of_a_teacher_are_dropped():
    triplet = torch.tensor([[0, 1, 2]])
    near, far = torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[0.0], [2.0], [1.0]])
    even = torch.tensor([[0.0], [1.0], [-1.0]])
    present = torch.ones(3, dtype=torch.bool)
    cast = [votes(each, present, triplet).item() for each in (near, far, even)]
    assert cast == [1, -1, 0]
    student = _some(3).requires_grad_()
    loss = triplet_order_loss(student, torch.tensor([0]), triplet, margin=0.2)
    loss.backward()
    assert loss.item() == 0.0 and torch.equal(student.grad, torch.zeros(3, 3))


def test_who_did_not_answer_one_of_the_three_has_no_vote_whatever_its_layer_holds():
    teacher, triplet = torch.full((4, 3), torch.nan), torch.tensor([[0, 1, 2], [0, 1, 3]])
    teacher[:3] = torch.tensor([[0.0] * 3, [1.0] * 3, [2.0] * 3])
    present = torch.tensor([True, True, True, False])
    assert votes(teacher, present, triplet).tolist() == [1, 0]


def test_gradients_are_those_of_finite_differences():
    student, drawn = _some().double().requires_grad_(), _all()
    majority = votes(_some(seed=1), EVERYBODY, drawn)
    assert torch.autograd.gradcheck(
        lambda each: triplet_order_loss(each, majority, drawn, margin=0.2), (student,)
    )


@settings(max_examples=40, deadline=None)
@given(equal=st.integers(0, 6), scale=st.sampled_from([0.0, 1.0, 1e4]), half=st.booleans())
def test_equal_rows_zeros_and_large_values_have_finite_losses_and_gradients(equal, scale, half):
    student = (scale * _some()).to(torch.bfloat16 if half else torch.float32)
    student[:equal] = 1.0
    student.requires_grad_()
    teachers = [scale * _some(seed=seed) for seed in (1, 2)]
    loss = _loss(student, teachers)
    loss.backward()
    assert loss.dtype == torch.float32
    assert bool(loss.isfinite()) and bool(student.grad.isfinite().all())


@pytest.mark.parametrize(("samples", "there"), [(0, 0), (2, 0), (3, 3), (4, 12), (7, 105)])
def test_all_triplets_come_once_where_they_are_few(samples, there):
    drawn = draw_triplets(np.arange(samples), 0, 105)
    asked = {(anchor, frozenset(others)) for anchor, *others in drawn.tolist()}
    assert drawn.shape == (there, 3) and len(asked) == there
    assert all(len({*row}) == 3 for row in drawn.tolist())


def test_no_more_are_drawn_than_asked_for_and_none_twice():
    drawn = draw_triplets(np.arange(100, 228), 3, 256)
    assert len({tuple(row) for row in drawn.tolist()}) == 256
    assert drawn.min() >= 0 and drawn.max() <= 127
    assert all(len({*row}) == 3 for row in drawn.tolist())


def test_what_is_drawn_depends_on_view_and_samples_alone():
    ids = np.arange(50, 90)
    np.random.default_rng(0).shuffle(ids)
    drawn = draw_triplets(ids, 5, 64)
    assert np.array_equal(draw_triplets(ids.copy(), 5, 64), drawn)
    assert not np.array_equal(draw_triplets(ids, 6, 64), drawn)
    assert not np.array_equal(draw_triplets(np.sort(ids), 5, 64), drawn)
