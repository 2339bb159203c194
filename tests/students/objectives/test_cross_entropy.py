from dataclasses import replace

import pytest
import torch

from students.objectives.cross_entropy import task_loss
from tests.golden.cases import golden, tensor
from tests.students.objectives.logit_cases import case, term, value


def _golden_case():
    case = golden("label_smoothing")
    return case, tensor(case.inputs["student_logits"]), torch.tensor(case.inputs["labels"])


def test_smoothed_loss_is_that_computed_independently():
    case, logits, targets = _golden_case()
    loss = task_loss(logits, targets, label_smoothing=case.params["eps"])
    assert loss.item() == pytest.approx(case.expected["uniform_over_all"], abs=case.tol)


def test_smoothing_is_cross_entropy_with_a_uniform_teacher_at_that_weight():
    _, logits, targets = _golden_case()
    uniform = -torch.log_softmax(logits, 1).mean()
    expected = 0.7 * task_loss(logits, targets) + 0.3 * uniform
    torch.testing.assert_close(task_loss(logits, targets, label_smoothing=0.3), expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_samples_without_a_label_do_not_count(smoothing):
    _, logits, targets = _golden_case()
    more = torch.cat([logits, tensor([[9.0, -9.0, 0.0, 1.0]])]).requires_grad_()
    loss = task_loss(more, torch.cat([targets, torch.tensor([-1])]), label_smoothing=smoothing)
    torch.testing.assert_close(loss, task_loss(logits, targets, label_smoothing=smoothing))
    (gradient,) = torch.autograd.grad(loss, more)
    assert torch.equal(gradient[3], torch.zeros(4, dtype=torch.float64))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_without_any_label_loss_and_gradient_are_exactly_zero(smoothing):
    logits = torch.randn(3, 4, requires_grad=True)
    loss = task_loss(logits, torch.full((3,), -1), label_smoothing=smoothing)
    loss.backward()
    assert loss.item() == 0.0
    assert torch.equal(logits.grad, torch.zeros(3, 4))


def test_loss_is_in_single_precision_also_for_bfloat16_logits():
    logits = torch.randn(3, 4, generator=torch.Generator().manual_seed(0)).bfloat16()
    targets = torch.tensor([0, 1, 2])
    assert task_loss(logits, targets).dtype == torch.float32
    assert torch.equal(task_loss(logits, targets), task_loss(logits.float(), targets))


HARD = {"kind": "hard_targets"}


def test_labels_are_the_top_classes_of_the_averaged_teachers():
    example = case(0)
    averaged = (example.weights.unsqueeze(-1) * torch.softmax(example.teachers, -1)).sum(0)
    assert torch.equal(value(term(HARD), example), task_loss(example.student, averaged.argmax(-1)))


def test_the_ensembles_mean_decides_what_the_average_is():
    example = replace(
        case(1, teachers=2, batch=1, classes=3),
        teachers=torch.tensor([[[9.0, 8.0, 0.0]], [[0.0, 8.5, 9.0]]]).double(),
        weights=torch.tensor([[0.6], [0.4]]).double(),
    )
    by_mean = {mean: value(term(HARD, mean=mean), example) for mean in ("arithmetic", "geometric")}
    student = example.student
    assert torch.equal(by_mean["arithmetic"], task_loss(student, torch.tensor([0])))
    assert torch.equal(by_mean["geometric"], task_loss(student, torch.tensor([1])))


def test_a_fallback_label_is_the_target_and_without_answers_there_is_none():
    example = case(2)
    no_weights = torch.zeros_like(example.weights)
    fallback_labels = torch.tensor([-1, 3, -1, 0])
    found = value(term(HARD), replace(example, weights=no_weights, fallback_labels=fallback_labels))
    assert torch.equal(found, task_loss(example.student, fallback_labels))


def test_the_first_of_equally_probable_classes_is_taken():
    example = replace(case(3, teachers=1, batch=1), teachers=torch.zeros(1, 1, 5).double())
    assert torch.equal(value(term(HARD), example), task_loss(example.student, torch.tensor([0])))
