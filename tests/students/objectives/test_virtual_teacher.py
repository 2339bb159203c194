import pytest
import torch

from students.objectives.cross_entropy import task_loss
from students.objectives.virtual_teacher import (
    VirtualTeacher,
    virtual_teacher,
    virtual_teacher_loss,
)
from tests.golden.cases import golden, tensor


def _golden_case():
    example = golden("tfkd_reg")
    return example, tensor(example.inputs["student_logits"]), torch.tensor(example.inputs["labels"])


def test_the_teacher_that_is_a_formula_is_that_computed_independently():
    example, _, labels = _golden_case()
    settings = {"probability": example.params["a"], "dtype": torch.float64}
    found = virtual_teacher(labels, 4, temperature=example.params["tau"], **settings)
    expected = tensor(example.expected["virtual_teacher_softened"])
    torch.testing.assert_close(found, expected, atol=example.tol, rtol=0)


@pytest.mark.parametrize(("student", "name"), [("plain", "T1"), ("softened", "tau")])
def test_with_the_task_it_makes_the_loss_computed_independently(student, name):
    example, logits, labels = _golden_case()
    loss = virtual_teacher_loss(
        logits, labels, probability=example.params["a"], temperature=example.params["tau"],
        student=student,
    )  # fmt: skip
    alpha = example.params["alpha"]
    whole = (1 - alpha) * task_loss(logits, labels) + alpha * loss
    assert whole.item() == pytest.approx(example.expected[f"loss_student_{name}"], abs=example.tol)


def test_unlabelled_samples_do_not_count():
    _, logits, labels = _golden_case()
    settings = {"probability": 0.99, "temperature": 20.0}
    more = torch.cat([logits, tensor([[9.0, -9.0, 0.0, 1.0]])]).requires_grad_()
    loss = virtual_teacher_loss(more, torch.cat([labels, torch.tensor([-1])]), **settings)
    torch.testing.assert_close(loss, virtual_teacher_loss(logits, labels, **settings))
    (gradient,) = torch.autograd.grad(loss, more)
    assert not gradient[3].any()
    assert virtual_teacher_loss(logits, torch.full((3,), -1), **settings) == 0


def test_without_softening_a_sure_formula_is_nearly_the_label():
    # softmax is taken of probabilities, as released: a temperature near 0 makes it one-hot.
    _, logits, labels = _golden_case()
    loss = virtual_teacher_loss(logits, labels, probability=0.99, temperature=1e-3)
    torch.testing.assert_close(loss, task_loss(logits, labels))


def test_the_released_settings_are_the_default():
    found = VirtualTeacher()
    assert (found.probability, found.temperature, found.student) == (0.99, 20.0, "plain")
