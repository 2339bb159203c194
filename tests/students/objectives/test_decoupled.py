from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from students.objectives.cross_entropy import task_loss
from students.objectives.decoupled import decoupled_divergences, decoupled_loss
from students.objectives.soft_targets import divergence, soft_target_loss
from tests.golden.cases import golden, tensor
from tests.students.objectives.logit_cases import case, partial, term, value

SEEDS = st.integers(0, 10_000)
TEMPERATURES = st.sampled_from([1.0, 2.0, 4.0, 20.0])


def _by_the_book(student, teacher, labels, temperature):
    """TCKD and NCKD of each sample as Zhao et al. print them, class by class, of probabilities."""
    rows = []
    for row, label in enumerate(labels):
        p, q = (np.exp(z[row] / temperature) for z in (teacher, student))
        p, q = p / p.sum(), q / q.sum()
        of_label = p[label] * np.log(p[label] / q[label])
        of_label += (1 - p[label]) * np.log((1 - p[label]) / (1 - q[label]))
        of_others = 0.0
        for other in set(range(len(p))) - {int(label)}:
            p_hat, q_hat = p[other] / (1 - p[label]), q[other] / (1 - q[label])
            of_others += p_hat * np.log(p_hat / q_hat)
        rows.append((of_label, of_others))
    return np.array(rows).T


@settings(max_examples=30, deadline=None)
@given(SEEDS, TEMPERATURES)
def test_both_parts_are_those_of_the_papers_equations(seed, temperature):
    example = case(seed, teachers=1)
    expected = _by_the_book(
        example.student.numpy(), example.teachers[0].numpy(), example.labels, temperature
    )
    teacher_log = torch.log_softmax(example.teachers[0] / temperature, -1)
    found = decoupled_divergences(
        example.student, teacher_log, example.labels, temperature=temperature
    )
    torch.testing.assert_close(torch.stack(found), tensor(expected))


def test_weights_and_temperature_count_as_released():
    example = golden("kd_kl_T4")
    student, teacher = (np.array(example.inputs[f"{who}_logits"]) for who in ("student", "teacher"))
    labels = torch.tensor([1, 2, 0])
    of_label, of_others = _by_the_book(student, teacher, labels, 4.0)
    loss = decoupled_loss(
        tensor(student), torch.log_softmax(tensor(teacher) / 4, -1), labels,
        temperature=4.0, target=1.0, others=8.0,
    )  # fmt: skip
    assert loss.item() == pytest.approx(16 * (of_label + 8 * of_others).mean(), rel=1e-12)


@settings(max_examples=30, deadline=None)
@given(SEEDS, TEMPERATURES)
def test_the_parts_at_weights_one_and_what_is_not_the_labels_are_the_whole_divergence(
    seed, temperature
):
    example = case(seed, teachers=1)
    teacher = torch.softmax(example.teachers[0] / temperature, -1)
    of_label, of_others = decoupled_divergences(
        example.student, teacher.log(), example.labels, temperature=temperature
    )
    missing = 1 - teacher.gather(1, example.labels[:, None])[:, 0]
    whole = divergence(example.student, teacher, temperature=temperature)
    torch.testing.assert_close(of_label + missing * of_others, whole)


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_with_two_classes_there_is_nothing_among_the_others(seed):
    example = case(seed, classes=2)
    soft = value(term({"kind": "soft_targets"}), example)
    torch.testing.assert_close(value(term({"kind": "decoupled", "target": 1.0}), example), soft)


def test_a_teacher_that_is_sure_to_rounding_still_tells_the_others_apart():
    teacher = torch.tensor([[200.0, 2.0, 1.0, 0.0]])
    student = torch.zeros(1, 4, requires_grad=True)
    example = replace(case(0, teachers=1, batch=1, classes=4), labels=torch.tensor([0]))
    example = replace(
        example, student=student, teachers=teacher.unsqueeze(0), weights=torch.ones(1, 1)
    )
    assert torch.softmax(teacher, -1)[0, 1:].sum() == 0
    loss = value(
        term({"kind": "decoupled", "target": 0.0, "others": 1.0, "temperature": 1.0}), example
    )
    others = torch.log_softmax(torch.tensor([2.0, 1.0, 0.0]), -1)
    assert loss.item() == pytest.approx(
        float((others.exp() * (others + np.log(3))).sum()), rel=1e-4
    )
    loss.backward()
    assert student.grad[0, 0].abs() < 1e-6 and student.grad[0, 1] < -0.1 < 0.1 < student.grad[0, 3]


def test_only_labelled_samples_count():
    example = case(5)
    labels = example.labels.clone()
    labels[[1, 3]] = -1
    settings_ = {"kind": "decoupled"}
    found = value(term(settings_), replace(example, labels=labels))
    kept = [0, 2]
    alone = replace(
        example,
        student=example.student[kept],
        teachers=example.teachers[:, kept],
        labels=labels[kept],
        weights=example.weights[:, kept],
        present=example.present[:, kept],
    )
    torch.testing.assert_close(found, value(term(settings_), alone))
    unlabelled = replace(example, labels=torch.full_like(labels, -1))
    assert value(term(settings_), unlabelled) == 0


def test_a_fallback_label_counts_as_in_the_task_term():
    example = case(6)
    fallback_labels = torch.tensor([-1, 4, -1, 2])
    silent = example.weights.masked_fill(fallback_labels >= 0, 0.0)
    labels = torch.tensor([-1, 4, -1, 2])
    found = value(
        term({"kind": "decoupled"}),
        replace(example, weights=silent, labels=labels, fallback_labels=fallback_labels),
    )
    torch.testing.assert_close(found, task_loss(example.student, fallback_labels))


def test_a_label_that_no_teacher_covers_is_avoided_and_stays_finite():
    example = partial(7)
    known = example.known.clone()
    known[:, 4] = False
    student = example.student.clone().requires_grad_()
    strange = replace(example, student=student, known=known, labels=torch.full((4,), 4))
    loss = value(term({"kind": "decoupled"}), replace(strange, fallback_labels=None))
    loss.backward()
    assert loss.isfinite() and student.grad.isfinite().all() and (student.grad[:, 4] >= 0).all()


def test_classes_without_probability_have_no_gradient_and_none_is_nan():
    teacher_log = tensor([[0.0, -torch.inf, -torch.inf], [-torch.inf] * 3]).requires_grad_()
    student = case(9, batch=2, classes=3).student.requires_grad_()
    of_label, of_others = decoupled_divergences(
        student, teacher_log, torch.tensor([0, 0]), temperature=1.0
    )
    torch.testing.assert_close(of_label[0], task_loss(student[:1], torch.tensor([0])))
    assert of_label[1] == 0 and not of_others.any()
    (of_label + of_others).sum().backward()
    assert student.grad.isfinite().all() and teacher_log.grad.isfinite().all()


def test_the_whole_is_the_soft_target_loss_where_the_others_are_weighed_as_in_it():
    example = case(8, teachers=1, batch=1)
    missing = 1 - torch.softmax(example.teachers[0] / 4, -1)[0, example.labels[0]]
    decoupled = term({"kind": "decoupled", "others": float(missing)})
    soft = soft_target_loss(
        example.student, torch.softmax(example.teachers[0] / 4, -1), temperature=4.0
    )
    torch.testing.assert_close(value(decoupled, example), soft)
