from dataclasses import replace

import torch

from students.objectives.task import task_loss
from tests.students.objectives.logit_cases import case, term, value

HARD = {"kind": "hard_targets"}


def test_labels_are_the_top_classes_of_the_averaged_teachers():
    judged = case(0)
    averaged = (judged.weights.unsqueeze(-1) * torch.softmax(judged.teachers, -1)).sum(0)
    assert torch.equal(value(term(HARD), judged), task_loss(judged.student, averaged.argmax(-1)))


def test_the_ensembles_mean_decides_what_the_average_is():
    judged = replace(
        case(1, teachers=2, batch=1, classes=3),
        teachers=torch.tensor([[[9.0, 8.0, 0.0]], [[0.0, 8.5, 9.0]]]).double(),
        weights=torch.tensor([[0.6], [0.4]]).double(),
    )
    by_mean = {mean: value(term(HARD, mean=mean), judged) for mean in ("arithmetic", "geometric")}
    student = judged.student
    assert torch.equal(by_mean["arithmetic"], task_loss(student, torch.tensor([0])))
    assert torch.equal(by_mean["geometric"], task_loss(student, torch.tensor([1])))


def test_a_fallback_label_is_the_target_and_without_answers_there_is_none():
    judged = case(2)
    nobody = torch.zeros_like(judged.weights)
    fallback_labels = torch.tensor([-1, 3, -1, 0])
    found = value(term(HARD), replace(judged, weights=nobody, fallback_labels=fallback_labels))
    assert torch.equal(found, task_loss(judged.student, fallback_labels))


def test_the_first_of_equally_probable_classes_is_taken():
    judged = replace(case(3, teachers=1, batch=1), teachers=torch.zeros(1, 1, 5).double())
    assert torch.equal(value(term(HARD), judged), task_loss(judged.student, torch.tensor([0])))
