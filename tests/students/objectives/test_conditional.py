from dataclasses import replace

import torch

from students.objectives.conditional import conditional_loss
from students.objectives.soft_targets import soft_target_loss
from students.objectives.task import task_loss
from tests.students.objectives.logit_cases import case, term, value

RIGHT = {"kind": "conditional", "temperature": 2.0}


def _named(judged):
    """What the teachers of ``logit_cases`` name: the case's weights, at temperature 2."""
    probabilities = torch.softmax(judged.teachers / 2, -1)
    return (judged.weights.unsqueeze(-1) * probabilities).sum(0).argmax(-1)


def test_teachers_that_are_always_right_teach_soft_targets():
    judged = case(0)
    right = replace(judged, labels=_named(judged))
    soft = value(term({"kind": "soft_targets", "temperature": 2.0}), judged)
    torch.testing.assert_close(value(term(RIGHT), right), soft)


def test_teachers_that_are_always_wrong_teach_nothing_but_the_labels():
    judged = case(1)
    wrong = replace(judged, labels=(_named(judged) + 1) % 5)
    torch.testing.assert_close(
        value(term(RIGHT), wrong), task_loss(judged.student, wrong.labels), rtol=0, atol=1e-15
    )


def test_each_sample_is_taught_by_whoever_is_right_and_an_unlabelled_one_by_the_teachers():
    judged = case(2)
    named = _named(judged)
    labels = torch.stack([named[0], (named[1] + 1) % 5, torch.tensor(-1), (named[3] + 2) % 5])
    soft = [
        value(term({"kind": "soft_targets", "temperature": 2.0}), _only(judged, i))
        for i in range(4)
    ]
    hard = [task_loss(judged.student[i : i + 1], labels[i : i + 1]) for i in range(4)]
    expected = (soft[0] + hard[1] + soft[2] + hard[3]) / 4
    torch.testing.assert_close(value(term(RIGHT), replace(judged, labels=labels)), expected)


def _only(judged, sample):
    rows = slice(sample, sample + 1)
    return replace(
        judged,
        student=judged.student[rows],
        teachers=judged.teachers[:, rows],
        labels=judged.labels[rows],
        weights=judged.weights[:, rows],
        present=judged.present[:, rows],
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
