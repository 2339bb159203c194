from dataclasses import replace

import numpy as np
import pytest
import torch
from beartype import beartype
from jaxtyping import Float, TypeCheckError, jaxtyped
from torch import Tensor

from students.objectives.cross_entropy import task_loss
from students.objectives.soft_targets import conditional_loss, soft_target_loss
from students.objectives.softening import soften, soften_one
from tests.golden.cases import golden, tensor
from tests.students.objectives.logit_cases import case, term, value

CASES = ["kd_kl_T1", "kd_kl_T2", "kd_kl_T4", "kd_kl_T20"]


def _loss_and_gradient(student, probabilities, temperature):
    student = student.clone().requires_grad_()
    loss = soft_target_loss(student, probabilities, temperature=temperature)
    (gradient,) = torch.autograd.grad(loss, student)
    return loss.detach(), gradient


@pytest.mark.parametrize("name", CASES)
def test_loss_and_gradient_are_those_computed_independently(name):
    case = golden(name)
    temperature = case.params["T"]
    teacher = soften_one(tensor(case.inputs["teacher_logits"]), temperature)
    loss, gradient = _loss_and_gradient(tensor(case.inputs["student_logits"]), teacher, temperature)
    assert loss.item() == pytest.approx(case.expected["loss"], abs=case.tol)
    torch.testing.assert_close(
        gradient, tensor(case.expected["grad_student"]), atol=case.tol, rtol=0
    )


@pytest.mark.parametrize("mean", ["arithmetic", "geometric"])
def test_loss_against_an_ensemble_is_that_computed_independently(mean):
    case = golden("ensemble_average")
    logits, temperature = tensor(case.inputs["teacher_logits"]), case.params["T"]
    everybody = torch.ones(logits.shape[:2], dtype=torch.bool)
    target = soften(
        logits,
        everybody.double(),
        torch.ones(logits.shape[0], logits.shape[2], dtype=torch.bool),
        everybody,
        temperature=temperature,
        mean=mean,
    )
    loss = soft_target_loss(tensor(case.inputs["student_logits"]), target, temperature=temperature)
    assert loss.item() == pytest.approx(case.expected[f"kd_loss_{mean}"], abs=case.tol)


def test_gradient_tends_to_the_difference_of_logits_at_high_temperature():
    case = golden("kd_high_temperature_limit")
    student = tensor(case.inputs["student_logits_zero_mean"])
    teacher = tensor(case.inputs["teacher_logits_zero_mean"])
    batch, classes = student.shape
    for name, expected in case.expected["at"].items():
        temperature = float(name.removeprefix("T="))
        _, gradient = _loss_and_gradient(student, soften_one(teacher, temperature), temperature)
        scaled = gradient * batch * classes
        torch.testing.assert_close(
            scaled, tensor(expected["grad_times_N_T2"]), atol=case.tol, rtol=0
        )
        error = float((scaled - tensor(case.expected["limit"])).abs().max())
        assert error == pytest.approx(expected["max_abs_error"], abs=case.tol)


def test_gradient_keeps_its_size_from_low_to_high_temperature():
    case = golden("kd_kl_T1")
    student, teacher = (tensor(case.inputs[f"{who}_logits"]) for who in ("student", "teacher"))
    sizes = [
        _loss_and_gradient(student, soften_one(teacher, temperature), temperature)[1].norm()
        for temperature in (1.0, 20.0)
    ]
    assert 0.3 < float(sizes[1] / sizes[0]) < 3


def test_a_student_that_agrees_has_no_loss_and_no_gradient():
    logits = torch.randn(6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    loss, gradient = _loss_and_gradient(logits + 3.0, soften_one(logits, 4.0), 4.0)
    assert abs(loss.item()) < 1e-14 and float(gradient.abs().max()) < 1e-15


def test_classes_without_probability_and_extreme_logits_stay_finite():
    student = torch.tensor([[1e4, -1e4, 0.0]])
    loss, gradient = _loss_and_gradient(student, torch.tensor([[0.0, 0.0, 1.0]]), 1.0)
    assert loss.item() == pytest.approx(1e4) and gradient.isfinite().all()


def test_a_row_of_zeros_teaches_nothing_but_counts_in_the_mean():
    student = torch.randn(2, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    target = soften_one(tensor([[1.0, 2.0, 3.0]]), 2.0)
    alone, _ = _loss_and_gradient(student[:1], target, 2.0)
    loss, gradient = _loss_and_gradient(student, torch.cat([target, torch.zeros_like(target)]), 2.0)
    torch.testing.assert_close(loss, alone / 2)
    assert torch.equal(gradient[1], torch.zeros(3, dtype=torch.float64))


def test_half_precision_students_are_judged_in_single():
    student = torch.randn(4, 5, generator=torch.Generator().manual_seed(2)).bfloat16()
    target = soften_one(torch.zeros(4, 5), 4.0)
    loss = soft_target_loss(student, target, temperature=4.0)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, soft_target_loss(student.float(), target, temperature=4.0))


def test_a_target_of_one_row_for_a_batch_of_students_is_refused(monkeypatch):
    # The names of its annotations, which the file itself imports for type checkers alone.
    for name, each in {"Float": Float, "Tensor": Tensor}.items():
        monkeypatch.setitem(soft_target_loss.__globals__, name, each)
    checked = jaxtyped(typechecker=beartype)(soft_target_loss)
    checked(torch.zeros(4, 5), torch.full((4, 5), 0.2), temperature=1.0)
    with pytest.raises(TypeCheckError):
        checked(torch.zeros(4, 5), torch.full((1, 5), 0.2), temperature=1.0)


@pytest.mark.parametrize("mean", ["arithmetic", "geometric"])
def test_standardised_teachers_and_student_may_be_shifted_and_scaled(mean):
    example, of = case(0), term({"kind": "soft_targets", "standardize": True}, mean=mean)
    plain = value(of, example)
    factors = tensor([0.5, 2.0, 30.0]).view(3, 1, 1)
    moved = replace(
        example, student=7 * example.student - 3, teachers=factors * example.teachers + factors
    )
    torch.testing.assert_close(value(of, moved), plain, rtol=1e-6, atol=0)
    assert plain > 0 and not torch.allclose(plain, value(term({"kind": "soft_targets"}), example))


def test_a_standardised_loss_is_that_of_the_papers_equations():
    example = case(1, teachers=1)
    rows = []
    for student, teacher in zip(example.student.numpy(), example.teachers[0].numpy(), strict=True):
        p, q = (np.exp((z - np.mean(z)) / np.std(z, ddof=1) / 2) for z in (teacher, student))
        p, q = p / p.sum(), q / q.sum()
        rows.append(4 * np.sum(p * np.log(p / q)))
    of = term({"kind": "soft_targets", "standardize": True, "temperature": 2.0})
    assert value(of, example).item() == pytest.approx(np.mean(rows), rel=1e-6)


@pytest.mark.parametrize("standardize", [False, True])
def test_a_fallback_label_counts_as_in_the_task_term(standardize):
    example = case(2)
    of = term({"kind": "soft_targets", "standardize": standardize})
    fallback_labels = torch.tensor([-1, 4, -1, 2])
    silent = example.weights.masked_fill(fallback_labels >= 0, 0.0)
    found = value(of, replace(example, weights=silent, fallback_labels=fallback_labels))
    without = value(of, replace(example, weights=silent))
    torch.testing.assert_close(found, without + task_loss(example.student, fallback_labels) / 2)
    nowhere = value(of, replace(example, fallback_labels=torch.full((4,), -1)))
    torch.testing.assert_close(nowhere, value(of, example))


RIGHT = {"kind": "conditional", "temperature": 2.0}


def _named(example):
    """What the teachers of ``logit_cases`` name: the case's weights, at temperature 2."""
    probabilities = torch.softmax(example.teachers / 2, -1)
    return (example.weights.unsqueeze(-1) * probabilities).sum(0).argmax(-1)


def test_teachers_that_are_always_right_teach_soft_targets():
    example = case(0)
    right = replace(example, labels=_named(example))
    soft = value(term({"kind": "soft_targets", "temperature": 2.0}), example)
    torch.testing.assert_close(value(term(RIGHT), right), soft)


def test_teachers_that_are_always_wrong_teach_nothing_but_the_labels():
    example = case(1)
    wrong = replace(example, labels=(_named(example) + 1) % 5)
    torch.testing.assert_close(
        value(term(RIGHT), wrong), task_loss(example.student, wrong.labels), rtol=0, atol=1e-15
    )


def test_each_sample_is_taught_by_whoever_is_right_and_an_unlabelled_one_by_the_teachers():
    example = case(2)
    named = _named(example)
    labels = torch.stack([named[0], (named[1] + 1) % 5, torch.tensor(-1), (named[3] + 2) % 5])
    soft = [
        value(term({"kind": "soft_targets", "temperature": 2.0}), _only(example, i))
        for i in range(4)
    ]
    hard = [task_loss(example.student[i : i + 1], labels[i : i + 1]) for i in range(4)]
    expected = (soft[0] + hard[1] + soft[2] + hard[3]) / 4
    torch.testing.assert_close(value(term(RIGHT), replace(example, labels=labels)), expected)


def _only(example, sample):
    rows = slice(sample, sample + 1)
    return replace(
        example,
        student=example.student[rows],
        teachers=example.teachers[:, rows],
        labels=example.labels[rows],
        weights=example.weights[:, rows],
        present=example.present[:, rows],
    )


def test_a_fallback_label_counts_only_where_no_label_differs():
    student = case(3).student
    nothing = torch.zeros_like(student)
    loss = conditional_loss(
        student, nothing, torch.tensor([1, 2, -1, -1]), torch.tensor([1, 0, 3, -1]), temperature=4.0
    )
    torch.testing.assert_close(loss, task_loss(student, torch.tensor([1, 2, 3, -1])) * 3 / 4)


def test_without_answers_the_first_class_is_not_taken_for_predicted():
    student = case(4).student
    nothing = torch.zeros_like(student)
    labels = torch.zeros(4, dtype=torch.int64)
    torch.testing.assert_close(
        conditional_loss(student, nothing, labels, temperature=4.0), task_loss(student, labels)
    )
    assert soft_target_loss(student, nothing, temperature=4.0) == 0
