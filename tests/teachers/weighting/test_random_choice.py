"""One teacher at random: a function of seed, epoch and sample id."""

from __future__ import annotations

import torch

from students.objectives.soft_targets import soft_target_loss
from students.objectives.softening import soften
from teachers.config import RandomChoice
from tests.teachers.weighting.micro_batches import NAMES, SHARES, drawn, weigh, weights

BY_SAMPLE = RandomChoice(weights=SHARES)
BY_BATCH = RandomChoice(weights=SHARES, per="batch")


def many(per: RandomChoice, samples: int = 20_000) -> torch.Tensor:
    return weights(per, drawn(0, samples=samples, classes=2))


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


def test_by_batch_all_samples_hear_the_teacher_of_the_first() -> None:
    some = drawn(0, samples=64)
    found = weights(BY_BATCH, some)
    assert bool((found == found[:, :1]).all())
    assert torch.equal(found[:, 0], weights(BY_SAMPLE, some)[:, 0])


def test_another_epoch_or_seed_draws_anew_and_the_same_ones_draw_alike() -> None:
    some = drawn(0, samples=64)
    first = weigh(BY_SAMPLE, some).weights
    assert first is not None
    assert torch.equal(first, weights(BY_SAMPLE, some))
    later = weigh(BY_SAMPLE, type(some)(**{**vars(some), "epoch": 1})).weights
    other = weigh(BY_SAMPLE, some, seed=1).weights
    assert later is not None
    assert other is not None
    assert not torch.equal(first, later)
    assert not torch.equal(first, other)


def test_over_many_epochs_the_gradient_is_that_of_the_weighted_average() -> None:
    """The loss is linear in an arithmetic target, so its gradient's mean is exact in the limit."""
    some = drawn(7, samples=4)
    student = torch.randn(4, 4, generator=torch.Generator().manual_seed(1))

    def gradient(shares_KB: torch.Tensor) -> torch.Tensor:
        logits = student.clone().requires_grad_()
        target = soften(
            some.logits, shares_KB, some.known, some.present, temperature=4.0, mean="arithmetic"
        )
        soft_target_loss(logits, target, temperature=4.0).backward()
        assert logits.grad is not None
        return logits.grad

    epochs = [
        gradient(weights(BY_SAMPLE, type(some)(**{**vars(some), "epoch": epoch})))
        for epoch in range(3000)
    ]
    average = torch.tensor([SHARES[name] for name in NAMES])[:, None].expand(3, 4)
    torch.testing.assert_close(
        torch.stack(epochs).mean(dim=0), gradient(average), atol=0.01, rtol=0
    )
