"""Noise on logits: what it does to the two losses, and that it is a function of its key."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from students.knowledge import Answer, Question
from students.objectives.logit_l2 import logit_l2_loss
from students.objectives.soft_targets import soft_target_loss
from students.objectives.softening import soften_one
from teachers.config import MaxEntropy, Noise, Uniform
from teachers.ensemble.ensemble import Ensemble
from teachers.ensemble.noise import LogitNoise, perturbed
from tests.golden.cases import golden, tensor

NAMES = ("wide", "deep")
CASE = golden("noisy_teacher_expectation")
SIGMA, SHARE = CASE.params["sigma"], CASE.params["alpha"]
STUDENT, TEACHER = (tensor(CASE.inputs[f"{who}_logits"]) for who in ("student", "teacher"))


def asked(*ids: int, epoch: int = 0) -> Question:
    return Question(0, np.array(ids, np.int64), epoch)


def noisy(*, probability: float = 0.5, sigma: float = 0.5, seed: int = 0) -> LogitNoise:
    return LogitNoise(Noise(probability=probability, sigma=sigma), seed)


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
    torch.testing.assert_close(
        torch.stack([logit_l2_loss(STUDENT, each) for each in heard()]).mean(), exact,
        rtol=0.01, atol=0,
    )  # fmt: skip


def heard(epochs: int = 20_000) -> Tensor:
    """The golden teacher's logits in each of many epochs [epochs, B, C], for each epoch is a draw.

    One question of many samples, which are copies of the three: so they are drawn at one time.
    """
    copies = TEACHER.float().repeat(epochs, 1).unsqueeze(0)
    noise = noisy(probability=SHARE, sigma=SIGMA)
    return noise.apply(copies, asked(*range(3 * epochs)), ("t",))[0].double().view(epochs, 3, 4)


def gradient(loss: Tensor, student: Tensor) -> Tensor:
    (found,) = torch.autograd.grad(loss, student)
    return found


def test_with_l2_the_mean_gradient_is_the_one_without_noise() -> None:
    student = STUDENT.clone().requires_grad_()
    every = torch.stack([gradient(logit_l2_loss(student, each), student) for each in heard(4000)])
    plain = gradient(logit_l2_loss(student, TEACHER), student)
    spread = every.std(dim=0) / 4000**0.5
    assert bool(((every.mean(dim=0) - plain).abs() <= 4.5 * spread + 1e-12).all())


def test_with_softened_kl_the_mean_gradient_shifts() -> None:
    """Softmax is not linear: the mean target is another one, by far more than chance."""
    student = STUDENT.clone().requires_grad_()

    def of(teacher: Tensor) -> Tensor:
        loss = soft_target_loss(student, soften_one(teacher, 1.0), temperature=1.0)
        return gradient(loss, student)

    every = torch.stack([of(each) for each in heard(4000)])
    spread = every.std(dim=0) / 4000**0.5
    assert float(((every.mean(dim=0) - of(TEACHER)).abs() / spread).max()) > 10


@pytest.mark.parametrize("noise", [noisy(probability=0), noisy(sigma=0)])
def test_without_a_chance_or_a_size_the_answers_are_plain_to_the_bit(noise: LogitNoise) -> None:
    plain = logits(64)
    assert torch.equal(noise.apply(plain, asked(*range(64)), NAMES), plain)


def test_a_coin_falls_for_each_sample_and_each_teacher() -> None:
    plain = logits(10_000)
    changed = noisy(probability=0.3).apply(plain, asked(*range(10_000)), NAMES) != plain
    assert bool((changed.any(dim=2) == changed.all(dim=2)).all())
    per_teacher = changed[:, :, 0].double().mean(dim=1)
    torch.testing.assert_close(per_teacher, torch.full((2,), 0.3).double(), atol=0.02, rtol=0)
    both = (changed[0, :, 0] & changed[1, :, 0]).double().mean()
    assert both.item() == pytest.approx(0.09, abs=0.015)


def test_always_means_always() -> None:
    plain = logits(200)
    assert bool((noisy(probability=1).apply(plain, asked(*range(200)), NAMES) != plain).all())


def test_the_same_sample_has_the_same_noise_in_any_company() -> None:
    plain = logits(5)
    noise = noisy(probability=1)
    whole = noise.apply(plain, asked(7, 3, 11, 5, 2), NAMES)
    part = noise.apply(plain[:, [2, 0]], asked(11, 7), NAMES)
    assert torch.equal(part, whole[:, [2, 0]])
    other_order = noise.apply(plain.flip(0), asked(7, 3, 11, 5, 2), NAMES[::-1])
    assert torch.equal(other_order.flip(0), whole)


@pytest.mark.parametrize("other", [{"epoch": 1}, {"seed": 1}])
def test_another_epoch_or_seed_has_another_noise(other: dict[str, int]) -> None:
    plain = torch.ones(1, 8, 4)
    ids = range(8)
    first = noisy().apply(plain, asked(*ids), ("t",))
    second = noisy(seed=other.get("seed", 0)).apply(
        plain, asked(*ids, epoch=other.get("epoch", 0)), ("t",)
    )
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


def test_virtual_teachers_are_one_teacher_with_noises_of_their_own() -> None:
    noise = Noise(probability=1.0, sigma=0.5, virtual=3)
    ensemble = Ensemble(("only",), 4, Uniform(), noise)
    found = ensemble.gather(asked(1, 2), answers(2.0))
    assert ensemble.members == ("only~1", "only~2", "only~3")
    assert found.logits.shape == (3, 2, 4)
    assert len(found.logits.unique()) == 24
    assert found.known.shape == (3, 4)
    assert found.present.shape == (3, 2)
    torch.testing.assert_close(found.shares, torch.full((3, 2), 1 / 3))
    alone = replace(ensemble, noise=noise.model_copy(update={"virtual": 1}))
    assert torch.equal(alone.gather(asked(1, 2), answers(2.0)).logits, found.logits[:1])


def test_noise_is_on_logits_alone_and_before_the_rule() -> None:
    noise = Noise(probability=1.0, sigma=2.0)
    plain, noised = (
        Ensemble(NAMES, 4, MaxEntropy(), each).gather(asked(*range(2)), answers(1.0, 1.0))
        for each in (None, noise)
    )
    assert plain.shares.tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert set(noised.shares.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(noised.taps["deep"]["layer"], plain.taps["deep"]["layer"])
