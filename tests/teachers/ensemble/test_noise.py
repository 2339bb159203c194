"""Noise on logits: its effect on two losses, and that it is a function of its key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from students.knowledge import Answer, Question
from students.objectives.soft_targets import soft_target_loss
from students.objectives.softening import soften_one
from students.objectives.squared_distance import logit_l2_loss
from teachers.ensemble.ensemble import Ensemble
from teachers.ensemble.noise import Noise, perturbed
from teachers.weighting.constant import Uniform
from teachers.weighting.entropy import MaxEntropy, MinEntropy
from teachers.weighting.label_rules import Confidence, CorrectOnly
from teachers.weighting.rule import WeightingRule
from teachers.weighting.specialists import Specialists
from tests.golden.cases import golden, tensor

NAMES = ("wide", "deep")
CASE = golden("noisy_teacher_expectation")
SIGMA, SHARE = CASE.params["sigma"], CASE.params["alpha"]
STUDENT, TEACHER = (tensor(CASE.inputs[f"{who}_logits"]) for who in ("student", "teacher"))


def asked(*ids: int, epoch: int = 0) -> Question:
    return Question(0, np.array(ids, np.int64), epoch)


def noisy(*, probability: float = 0.5, sigma: float = 0.5) -> Noise:
    return Noise(probability=probability, sigma=sigma)


def logits(samples: int, classes: int = 4) -> Tensor:
    return torch.randn(2, samples, classes, generator=torch.Generator().manual_seed(0))


def test_golden_case_in_double_precision() -> None:
    case = golden("noisy_teacher")
    chosen = tensor(case.inputs["chosen"]) > 0
    found = perturbed(tensor(case.inputs["teacher_logits"]), tensor(case.inputs["xi"]), chosen)
    torch.testing.assert_close(found, tensor(case.expected["perturbed"]), rtol=1e-12, atol=1e-12)
    loss = logit_l2_loss(tensor(case.inputs["student_logits"]), found)
    assert loss.item() == pytest.approx(case.expected["loss"], rel=1e-9)


def test_the_expected_l2_loss_grows_by_a_constant_that_does_not_depend_on_the_student() -> None:
    constant = SHARE * SIGMA**2 / 2 * TEACHER.square().sum(dim=-1).mean()
    exact = logit_l2_loss(STUDENT, TEACHER) + constant
    assert exact.item() == pytest.approx(CASE.expected["expected_loss"], rel=1e-9)
    # The mean of the epochs' losses, since the loss is a mean over samples.
    noised = noisy_logits()
    found = logit_l2_loss(STUDENT.expand_as(noised).flatten(0, 1), noised.flatten(0, 1))
    torch.testing.assert_close(found, exact, rtol=0.01, atol=0)


def noisy_logits(epochs: int = 20_000) -> Tensor:
    """The golden teacher's logits with the noise of many draws [epochs, B, C].

    One question about many samples, copies of the three, so that they are drawn at once.
    """
    copies = TEACHER.float().repeat(epochs, 1).unsqueeze(0)
    noise = noisy(probability=SHARE, sigma=SIGMA)
    return noise.apply(copies, asked(*range(3 * epochs)), ("t",), 0)[0].double().view(epochs, 3, 4)


def gradients(loss: Callable[[Tensor, Tensor], Tensor], teachers: Tensor) -> Tensor:
    """The gradient of the loss by the student's logits for each of ``teachers`` [epochs, B, C].

    All are computed at once: the loss is a mean over samples, so that of all epochs together has
    each epoch's gradient, divided by the number of epochs.
    """
    students = STUDENT.expand_as(teachers).flatten(0, 1).clone().requires_grad_()
    (found,) = torch.autograd.grad(loss(students, teachers.flatten(0, 1)), students)
    return len(teachers) * found.view(teachers.shape)


def test_with_l2_the_mean_gradient_is_the_one_without_noise() -> None:
    every = gradients(logit_l2_loss, noisy_logits(4000))
    plain = gradients(logit_l2_loss, TEACHER[None])[0]
    spread = every.std(dim=0) / 4000**0.5
    assert bool(((every.mean(dim=0) - plain).abs() <= 4.5 * spread + 1e-12).all())


def test_with_softened_kl_the_mean_gradient_shifts() -> None:
    """Softmax is not linear, so the mean target shifts by far more than chance."""

    def loss(student: Tensor, teacher: Tensor) -> Tensor:
        return soft_target_loss(student, soften_one(teacher, 1.0), temperature=1.0)

    every, plain = gradients(loss, noisy_logits(4000)), gradients(loss, TEACHER[None])[0]
    spread = every.std(dim=0) / 4000**0.5
    assert float(((every.mean(dim=0) - plain).abs() / spread).max()) > 10


@pytest.mark.parametrize("noise", [noisy(probability=0), noisy(sigma=0)])
def test_at_probability_or_sigma_0_the_logits_are_unchanged_to_the_bit(noise: Noise) -> None:
    plain = logits(64)
    assert torch.equal(noise.apply(plain, asked(*range(64)), NAMES, 0), plain)


def test_samples_are_chosen_independently_for_each_teacher() -> None:
    plain = logits(10_000)
    changed = noisy(probability=0.3).apply(plain, asked(*range(10_000)), NAMES, 0) != plain
    assert bool((changed.any(dim=2) == changed.all(dim=2)).all())
    per_teacher = changed[:, :, 0].double().mean(dim=1)
    torch.testing.assert_close(per_teacher, torch.full((2,), 0.3).double(), atol=0.02, rtol=0)
    both = (changed[0, :, 0] & changed[1, :, 0]).double().mean()
    assert both.item() == pytest.approx(0.09, abs=0.015)


def test_at_probability_1_every_logit_changes() -> None:
    plain = logits(200)
    assert bool((noisy(probability=1).apply(plain, asked(*range(200)), NAMES, 0) != plain).all())


def test_a_samples_noise_does_not_depend_on_the_rest_of_the_micro_batch() -> None:
    plain = logits(5)
    noise = noisy(probability=1)
    whole = noise.apply(plain, asked(7, 3, 11, 5, 2), NAMES, 0)
    part = noise.apply(plain[:, [2, 0]], asked(11, 7), NAMES, 0)
    assert torch.equal(part, whole[:, [2, 0]])
    other_order = noise.apply(plain.flip(0), asked(7, 3, 11, 5, 2), NAMES[::-1], 0)
    assert torch.equal(other_order.flip(0), whole)


@pytest.mark.parametrize("other", [{"epoch": 1}, {"seed": 1}])
def test_noise_differs_by_epoch_and_seed(other: dict[str, int]) -> None:
    plain = torch.ones(1, 8, 4)
    ids = range(8)
    first = noisy().apply(plain, asked(*ids), ("t",), 0)
    epoch, seed = other.get("epoch", 0), other.get("seed", 0)
    second = noisy().apply(plain, asked(*ids, epoch=epoch), ("t",), seed)
    assert not torch.equal(first, second)


def answers(*values: float) -> list[Answer]:
    return [
        Answer(
            {
                "logits": np.full((2, 4), value, np.float16),
                "tap.layer": np.ones((2, 3), np.float16),
            }
        )
        for value in values
    ]


def test_virtual_teachers_are_one_teacher_with_noise_of_their_own() -> None:
    noise = Noise(probability=1.0, sigma=0.5, virtual=3)
    ensemble = Ensemble(("only",), 4, Uniform(), noise)
    found = ensemble.combine_answers(asked(1, 2), answers(2.0))
    assert ensemble.members == ("only~1", "only~2", "only~3")
    assert found.logits.shape == (3, 2, 4)
    assert len(found.logits.unique()) == 24
    assert found.known.shape == (3, 4)
    assert found.present.shape == (3, 2)
    torch.testing.assert_close(found.shares, torch.full((3, 2), 1 / 3))
    alone = replace(ensemble, noise=noise.model_copy(update={"virtual": 1}))
    assert torch.equal(alone.combine_answers(asked(1, 2), answers(2.0)).logits, found.logits[:1])


RULES = [MaxEntropy(), MinEntropy(), Confidence(), CorrectOnly(), Specialists()]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.kind)
def test_noise_is_on_logits_alone_and_no_rule_sees_it(rule: WeightingRule) -> None:
    labels, given = np.arange(200) % 4, logits(200).numpy().astype(np.float16)
    plain, noised = (
        Ensemble(NAMES, 4, rule, noise, labels=labels).combine_answers(
            asked(*range(200)),
            [Answer({"logits": each, "tap.layer": each[:, :3]}) for each in given],
        )
        for noise in (None, Noise(probability=1.0, sigma=2.0))
    )
    assert torch.equal(noised.shares, plain.shares)
    assert not torch.equal(noised.logits, plain.logits)
    assert torch.equal(noised.taps["deep"]["layer"], plain.taps["deep"]["layer"])
    fallback = (plain.fallback_labels, noised.fallback_labels)
    assert fallback == (None, None) or torch.equal(*fallback)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.kind)
def test_under_a_rule_noise_leaves_the_mean_logits_where_they_are(rule: WeightingRule) -> None:
    given = np.float16([[[2, 1, 0, -1]], [[1.5, 1.4, 0, -2]]]).repeat(20_000, axis=1)
    ensemble = Ensemble(NAMES, 4, rule, noisy(probability=1), labels=np.zeros(20_000, np.int64))
    plain = replace(ensemble, noise=None)
    question, sent = asked(*range(20_000)), [Answer({"logits": each}) for each in given]
    means = [
        (found.logits * found.shares[..., None]).sum(0).mean(0)
        for found in (each.combine_answers(question, sent) for each in (ensemble, plain))
    ]
    # Four standard errors of a noise of 0.5 on a logit of 2.
    torch.testing.assert_close(*means, rtol=0, atol=4 * 0.5 * 2 / 20_000**0.5)
