from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from students.knowledge import Knowledge
from students.objectives.softening import (
    soften,
    soften_one,
    standardized,
    top_class,
)
from students.objectives.term import TermInputs
from tests.golden.cases import golden, tensor

SEEDS = st.integers(0, 10_000)
MEANS = st.sampled_from(["arithmetic", "geometric"])
TEMPERATURES = st.floats(0.5, 20.0)


def _teachers(seed, teachers=3, batch=4, classes=5):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(teachers, batch, classes, generator=generator, dtype=torch.float64)
    weights = torch.rand(teachers, batch, generator=generator, dtype=torch.float64) + 0.01
    known = torch.rand(teachers, classes, generator=generator) < 0.6
    known[:, 0] = True
    present = torch.rand(teachers, batch, generator=generator) < 0.7
    return logits, weights, known, present


def _all(teachers, batch, classes):
    return (
        torch.full((teachers, batch), 1 / teachers, dtype=torch.float64),
        torch.ones(teachers, classes, dtype=torch.bool),
        torch.ones(teachers, batch, dtype=torch.bool),
    )


def test_one_network_is_softened_as_hinton_does():
    case = golden("softmax_temperature")
    for name, expected in case.expected.items():
        got = soften_one(tensor([case.inputs["z"]]), float(name.removeprefix("T=")))
        torch.testing.assert_close(got[0], tensor(expected), atol=case.tol, rtol=0)


@pytest.mark.parametrize("mean", ["arithmetic", "geometric"])
def test_teachers_of_equal_weight_agree_as_computed_independently(mean):
    case = golden("ensemble_average")
    logits = tensor(case.inputs["teacher_logits"])
    got = soften(logits, *_all(*logits.shape), temperature=case.params["T"], mean=mean)
    torch.testing.assert_close(got, tensor(case.expected[mean]), atol=case.tol, rtol=0)


def test_weighted_teachers_agree_as_computed_independently():
    case = golden("ensemble_weighted")
    logits = tensor(case.inputs["teacher_logits"])
    _, known, present = _all(*logits.shape)
    weights = tensor(case.inputs["weights"])[:, None].expand(logits.shape[:2])
    got = soften(logits, weights, known, present, temperature=case.params["T"], mean="arithmetic")
    torch.testing.assert_close(got, tensor(case.expected["target"]), atol=case.tol, rtol=0)


@settings(max_examples=40, deadline=None)
@given(SEEDS, MEANS, TEMPERATURES)
def test_a_row_sums_to_one_where_a_teacher_is_present_and_else_to_zero(seed, mean, temperature):
    logits, weights, known, present = _teachers(seed)
    got = soften(logits, weights, known, present, temperature=temperature, mean=mean)
    torch.testing.assert_close(got.sum(1), present.any(0).double())
    assert (got >= 0).all()


@settings(max_examples=40, deadline=None)
@given(SEEDS, MEANS, TEMPERATURES, st.permutations([0, 1, 2]))
def test_the_order_of_teachers_does_not_matter(seed, mean, temperature, order):
    parts = _teachers(seed)
    first = soften(*parts, temperature=temperature, mean=mean)
    again = soften(*(part[list(order)] for part in parts), temperature=temperature, mean=mean)
    torch.testing.assert_close(first, again)


@settings(max_examples=40, deadline=None)
@given(SEEDS, MEANS, TEMPERATURES)
def test_a_constant_added_to_a_teachers_logits_changes_nothing(seed, mean, temperature):
    logits, *rest = _teachers(seed)
    moved = logits + torch.linspace(-9, 9, 12, dtype=torch.float64).view(3, 4, 1)
    torch.testing.assert_close(
        soften(moved, *rest, temperature=temperature, mean=mean),
        soften(logits, *rest, temperature=temperature, mean=mean),
    )


@settings(max_examples=40, deadline=None)
@given(SEEDS, MEANS, TEMPERATURES)
def test_equal_teachers_are_one_teacher(seed, mean, temperature):
    logits, weights, known, _ = _teachers(seed)
    same = logits[:1].expand(3, -1, -1)
    everybody = torch.ones(3, 4, dtype=torch.bool)
    got = soften(
        same, weights, known[:1].expand(3, -1), everybody, temperature=temperature, mean=mean
    )
    only_known = logits[0].masked_fill(~known[0], -torch.inf)
    torch.testing.assert_close(got, soften_one(only_known, temperature))


@pytest.mark.parametrize("mean", ["arithmetic", "geometric"])
def test_an_absent_teacher_counts_as_if_it_were_not_there_whatever_it_holds(mean):
    logits, weights, known, _ = _teachers(1)
    present = torch.tensor([[True] * 4, [False, True, False, True], [True] * 4])
    logits[1, ~present[1]] = torch.nan
    got = soften(logits, weights, known, present, temperature=2.0, mean=mean)
    others = [0, 2]
    alone = soften(
        logits[others], weights[others], known[others], present[others], temperature=2.0, mean=mean
    )
    torch.testing.assert_close(got[[0, 2]], alone[[0, 2]])
    assert got.isfinite().all() and not torch.allclose(got[[1, 3]], alone[[1, 3]])


@pytest.mark.parametrize("mean", ["arithmetic", "geometric"])
def test_a_class_gets_no_probability_from_teachers_that_do_not_cover_it(mean):
    logits, weights, known, _ = _teachers(2)
    known[:, 3] = False
    everybody = torch.ones(3, 4, dtype=torch.bool)
    got = soften(logits, weights, known, everybody, temperature=2.0, mean=mean)
    assert (got[:, 3] == 0).all()
    loud = logits.clone()
    loud[~known.unsqueeze(1).expand_as(loud)] = 1e4
    torch.testing.assert_close(
        soften(loud, weights, known, everybody, temperature=2.0, mean=mean), got
    )


def test_a_teacher_counts_only_for_the_classes_it_covers_in_the_arithmetic_mean():
    logits = torch.zeros(2, 1, 2, dtype=torch.float64)
    weights, known, present = _all(2, 1, 2)
    known[1, 1] = False
    got = soften(logits, weights, known, present, temperature=1.0, mean="arithmetic")
    torch.testing.assert_close(got, tensor([[0.75, 0.25]]))


def test_a_class_only_one_teacher_covers_has_its_probability_in_the_geometric_mean():
    logits = tensor([[[0.0, 0.0]], [[5.0, 0.0]]])
    weights, known, present = _all(2, 1, 2)
    known[1, 1] = False  # so the second says log 1 of class 0 and nothing of class 1
    got = soften(logits, weights, known, present, temperature=1.0, mean="geometric")
    root = 0.5**0.5
    torch.testing.assert_close(got, tensor([[root / (root + 0.5), 0.5 / (root + 0.5)]]))


@pytest.mark.parametrize("mean", ["arithmetic", "geometric"])
def test_half_precision_logits_are_softened_in_single(mean):
    logits, weights, known, present = _teachers(3)
    half = logits.bfloat16()
    got = soften(half, weights.float(), known, present, temperature=4.0, mean=mean)
    exact = soften(half.double(), weights, known, present, temperature=4.0, mean=mean)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, exact.float(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("mean", ["arithmetic", "geometric"])
def test_weights_can_learn_from_the_target_also_where_a_teacher_is_absent(mean):
    logits, weights, known, present = _teachers(4)
    present[0, 0] = False
    logits[0, 0] = torch.nan
    weights.requires_grad_()
    target = soften(logits, weights, known, present, temperature=2.0, mean=mean)
    target.square().sum().backward()
    assert weights.grad is not None and weights.grad.isfinite().all()
    assert weights.grad[0, 0] == 0 and weights.grad.abs().sum() > 0


@pytest.mark.parametrize("mean", ["arithmetic", "geometric"])
def test_without_teachers_all_rows_are_zero(mean):
    none = torch.empty(0, 2, 3), torch.empty(0, 2), torch.empty(0, 3).bool()
    got = soften(*none, torch.empty(0, 2).bool(), temperature=2.0, mean=mean)
    assert torch.equal(got, torch.zeros(2, 3))


def mean_distribution(knowledge, temperature, mean, **form):
    """What a term at this temperature is given."""
    inputs = TermInputs(
        "", temperature, mean, (), 0, outputs={}, batch=None, knowledge=knowledge, epoch=0
    )
    return inputs.mean_distribution(**form)


def _knowledge(seed):
    logits, weights, known, present = _teachers(seed)
    return Knowledge(logits, known, present, weights * present, {})


@settings(max_examples=40, deadline=None)
@given(SEEDS, MEANS, TEMPERATURES)
def test_the_logarithms_of_what_is_agreed_are_those_of_its_probabilities(seed, mean, temperature):
    knowledge = _knowledge(seed)
    target = mean_distribution(knowledge, temperature, mean)
    log = mean_distribution(knowledge, temperature, mean, log=True)
    torch.testing.assert_close(log.exp(), target)
    assert torch.equal(log == -torch.inf, target == 0)


@pytest.mark.parametrize("mean", ["arithmetic", "geometric"])
def test_logarithms_are_right_also_where_probabilities_are_too_small_for_their_type(mean):
    logits = torch.tensor([[[500.0, 1.0, 0.0]], [[500.0, 1.0, 0.0]]])
    weights, known, present = _all(2, 1, 3)
    knowledge = Knowledge(logits, known, present, weights.float(), {})
    assert mean_distribution(knowledge, 1.0, mean).tolist() == [[1.0, 0.0, 0.0]]
    found = mean_distribution(knowledge, 1.0, mean, log=True)
    torch.testing.assert_close(found, torch.tensor([[0.0, -499.0, -500.0]]))


@pytest.mark.parametrize("mean", ["arithmetic", "geometric"])
def test_weights_can_learn_from_the_logarithms_also_where_classes_or_teachers_are_missing(mean):
    knowledge = _knowledge(4)
    weights = knowledge.weights.requires_grad_()
    log = mean_distribution(replace(knowledge, weights=weights), 2.0, mean, log=True)
    torch.where(log > -torch.inf, log, 0.0).sum().backward()
    assert weights.grad.isfinite().all() and weights.grad.abs().sum() > 0


@pytest.mark.parametrize("log", [False, True])
def test_no_gradient_reaches_a_teacher_by_what_is_agreed(log):
    knowledge = _knowledge(5)
    logits = knowledge.logits.clone().requires_grad_()
    knowledge = replace(knowledge, logits=logits)
    assert not mean_distribution(knowledge, 2.0, "arithmetic", log=log).requires_grad


def test_the_first_of_the_most_probable_classes_is_named_and_none_by_who_says_nothing():
    rows = tensor([[0.2, 0.4, 0.4], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    assert top_class(rows).tolist() == [1, 0, -1]


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.floats(0.01, 100), st.floats(-100, 100))
def test_a_standardised_row_has_mean_zero_and_deviation_one(seed, factor, shift):
    rows = standardized(_teachers(seed)[0][0] * factor + shift)
    torch.testing.assert_close(rows.mean(-1), torch.zeros(4, dtype=torch.float64))
    torch.testing.assert_close(rows.std(-1), torch.ones(4, dtype=torch.float64), rtol=1e-4, atol=0)


def test_rows_are_standardised_over_the_classes_known():
    logits, _, known, _ = _teachers(6)
    rows = standardized(logits, known.unsqueeze(1))
    for teacher, classes in enumerate(known):
        torch.testing.assert_close(
            rows[teacher][:, classes], standardized(logits[teacher][:, classes])
        )
        assert not rows[teacher][:, ~classes].any()


def test_equal_logits_and_single_classes_are_standardised_to_zero_with_finite_gradients():
    for row in (torch.full((1, 4), 1e4), torch.zeros(1, 4), torch.ones(1, 1)):
        row.requires_grad_()
        found = standardized(row)
        (gradient,) = torch.autograd.grad(found[0, 0], row)
        assert not found.any() and gradient.isfinite().all()


@pytest.mark.parametrize("mean", ["arithmetic", "geometric"])
def test_teachers_are_standardised_each_before_they_are_combined(mean):
    knowledge = _knowledge(7)
    apart = standardized(knowledge.logits, knowledge.known.unsqueeze(1))
    expected = mean_distribution(replace(knowledge, logits=apart), 2.0, mean)
    assert torch.equal(mean_distribution(knowledge, 2.0, mean, standardize=True), expected)
