"""One teacher at random: a function of the seed, the epoch and the sample id."""

from __future__ import annotations

from dataclasses import replace

import torch

from students.objectives.soft_targets import soft_target_loss
from students.objectives.softening import soften
from teachers.weighting.random_choice import RandomChoice
from tests.teachers.weighting.micro_batches import NAMES, SHARES, random_batch, weights

BY_SAMPLE = RandomChoice(weights=SHARES)
BY_BATCH = RandomChoice(weights=SHARES, per="batch")


def many(per: RandomChoice, samples: int = 20_000) -> torch.Tensor:
    return weights(per, random_batch(0, samples=samples, classes=2))


def test_one_teacher_has_all_the_weight() -> None:
    found = many(BY_SAMPLE)
    assert set(found.unique().tolist()) == {0.0, 1.0}
    assert bool((found.sum(dim=0) == 1).all())


def test_teachers_are_drawn_as_often_as_their_weights_say() -> None:
    expected = torch.tensor(list(SHARES.values()))
    torch.testing.assert_close(many(BY_SAMPLE).mean(dim=1), expected, atol=0.015, rtol=0)
    alike = many(RandomChoice()).mean(dim=1)
    torch.testing.assert_close(alike, torch.full((3,), 1 / 3), atol=0.015, rtol=0)


def test_a_teacher_without_weight_is_never_drawn() -> None:
    shares = {"wide": 0.0, "deep": 1.0, "third": 0.0}
    assert many(RandomChoice(weights=shares), 500).mean(dim=1).tolist() == [0.0, 1.0, 0.0]


def test_by_batch_all_samples_have_the_teacher_of_the_first() -> None:
    batch = random_batch(0, samples=64)
    found = weights(BY_BATCH, batch)
    assert bool((found == found[:, :1]).all())
    assert torch.equal(found[:, 0], weights(BY_SAMPLE, batch)[:, 0])


def test_draws_depend_on_epoch_and_seed_alone() -> None:
    batch = random_batch(0, samples=64)
    first = weights(BY_SAMPLE, batch)
    assert torch.equal(first, weights(BY_SAMPLE, batch))
    later = weights(BY_SAMPLE, replace(batch, epoch=1))
    other = weights(BY_SAMPLE, batch, seed=1)
    assert not torch.equal(first, later)
    assert not torch.equal(first, other)


def test_over_many_epochs_the_gradient_is_that_of_the_weighted_average() -> None:
    """The loss is linear in an arithmetic target, so its gradient's mean is exact in the limit."""
    batch = random_batch(7, samples=4)
    student = torch.randn(4, 4, generator=torch.Generator().manual_seed(1))

    def gradient(shares_KB: torch.Tensor) -> torch.Tensor:
        logits = student.clone().requires_grad_()
        target = soften(
            batch.logits, shares_KB, batch.known, batch.present, temperature=4.0, mean="arithmetic"
        )
        soft_target_loss(logits, target, temperature=4.0).backward()
        assert logits.grad is not None
        return logits.grad

    epochs = [weights(BY_SAMPLE, replace(batch, epoch=epoch)) for epoch in range(3000)]
    drawn, times = torch.stack(epochs).unique(dim=0, return_counts=True)
    gradients = torch.stack([gradient(each) for each in drawn])
    mean = (gradients * times[:, None, None]).sum(dim=0) / len(epochs)
    average = torch.tensor([SHARES[name] for name in NAMES])[:, None].expand(3, 4)
    torch.testing.assert_close(mean, gradient(average), atol=0.01, rtol=0)
