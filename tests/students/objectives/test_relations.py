"""Relations between samples: the published values, what leaves them alone, and hard cases."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from students.objectives import relations
from students.objectives.relations import relation_angle_loss, relation_distance_loss
from tests.golden.cases import golden, tensor

BOTH = pytest.mark.parametrize("loss", [relation_distance_loss, relation_angle_loss])
SIZES = st.integers(0, 6)


def _sides(case):
    found = golden(case)
    return tensor(found.inputs["student"]), tensor(found.inputs["teacher"]), found


def _some(count, width, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, width, generator=generator, dtype=dtype)


def _gradient(loss, student, teacher):
    student = student.clone().requires_grad_()
    value = loss(student, teacher)
    value.backward()
    return value.detach(), student.grad


def test_distances_have_the_golden_value_and_its_relation_to_the_mean_over_pairs():
    student, teacher, case = _sides("rkd_distance")
    loss = float(relation_distance_loss(student, teacher))
    assert loss == pytest.approx(case.expected["released_code_mean_over_NxN"], abs=case.tol)
    assert loss * 4 / 3 == pytest.approx(case.expected["mean_over_distinct_pairs"], abs=case.tol)


def test_angles_have_the_golden_value_and_its_relation_to_the_mean_over_triples():
    student, teacher, case = _sides("rkd_angle")
    loss = float(relation_angle_loss(student, teacher))
    assert loss == pytest.approx(case.expected["released_code_mean_over_N3"], abs=case.tol)
    distinct = loss * 4**2 / (3 * 2)
    assert distinct == pytest.approx(case.expected["mean_over_distinct_triplets"], abs=case.tol)


def test_both_together_have_the_golden_total():
    student, teacher, case = _sides("rkd_total")
    total = case.params["lambda_D"] * relation_distance_loss(student, teacher)
    total = total + case.params["lambda_A"] * relation_angle_loss(student, teacher)
    assert float(total) == pytest.approx(case.expected["loss_25_50"], abs=case.tol * 100)


def test_a_right_angle_has_cosine_zero():
    corner = tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 3.0]])
    cosines = relations._cosines(corner, slice(0, 1))[0]
    torch.testing.assert_close(cosines, tensor([[0, 0, 0], [0, 1, 0], [0, 0, 1]]))


@BOTH
def test_one_side_moved_turned_and_scaled_is_the_same(loss):
    student, teacher = _some(5, 3), _some(5, 4, seed=1)
    turned, _ = torch.linalg.qr(_some(3, 3, seed=2))
    moved = 7.5 * student @ turned + 3.0
    torch.testing.assert_close(loss(moved, teacher), loss(student, teacher))
    torch.testing.assert_close(loss(moved, student), torch.zeros((), dtype=torch.float64))


@BOTH
def test_gradients_are_those_of_finite_differences(loss):
    student, teacher = _some(5, 3).requires_grad_(), _some(5, 2, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(loss, (student, teacher))


@BOTH
def test_the_order_of_samples_does_not_matter(loss):
    student, teacher, order = _some(6, 3), _some(6, 4, seed=1), torch.randperm(6)
    torch.testing.assert_close(loss(student[order], teacher[order]), loss(student, teacher))


@BOTH
@settings(max_examples=60, deadline=None)
@given(count=SIZES, equal=SIZES, scale=st.sampled_from([0.0, 1e-6, 1.0, 1e4]), half=st.booleans())
def test_losses_and_gradients_are_finite_for_equal_rows_zeros_and_large_values(
    loss, count, equal, scale, half
):
    dtype = torch.bfloat16 if half else torch.float32
    student, teacher = (
        _some(count, 4, seed, dtype=torch.float32).mul(scale).to(dtype) for seed in (0, 1)
    )
    student[:equal], teacher[count - equal :] = 0.5, scale
    value, gradient = _gradient(loss, student, teacher)
    assert value.dtype == torch.float32 and value >= 0
    assert bool(value.isfinite()) and bool(gradient.isfinite().all())


@BOTH
@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_samples_have_no_relation(loss, count):
    value, gradient = _gradient(loss, _some(count, 3), _some(count, 4, seed=1))
    assert value.item() == pytest.approx(0, abs=1e-20)
    torch.testing.assert_close(gradient, torch.zeros(count, 3).double(), atol=1e-20, rtol=0)


def test_the_two_passes_of_one_sample_are_one_point_though_they_differ_by_rounding():
    student, teacher = _some(6, 3, dtype=torch.float32), _some(6, 4, 1, dtype=torch.float32)
    student[1] = student[0] * (1 + 2**-22)
    teacher[1] = teacher[0]
    _, gradient = _gradient(relation_angle_loss, student, teacher)
    assert float(gradient.norm()) < 1.0


def test_in_parts_angles_are_the_same_and_may_be_asked_for_gradients_twice(monkeypatch):
    student, teacher = _some(9, 3).requires_grad_(), _some(9, 4, seed=1)
    whole = relation_angle_loss(student, teacher)
    (expected,) = torch.autograd.grad(whole, student)
    monkeypatch.setattr(relations, "MOST_ELEMENTS", 2 * 9 * 9)
    parts = relation_angle_loss(student, teacher)
    torch.testing.assert_close(parts, whole)
    for keep in (True, False):
        (found,) = torch.autograd.grad(parts, student, retain_graph=keep)
        torch.testing.assert_close(found, expected)
