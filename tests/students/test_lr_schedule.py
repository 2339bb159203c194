"""What the learning rate is at each step."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from students.lr_schedule import Constant, Cosine, StepDecay, learning_rate


def rates(schedule, steps_per_epoch=10, epochs=4, base=0.1):
    return [
        learning_rate(base, schedule, step=s, steps_per_epoch=steps_per_epoch, epochs=epochs)
        for s in range(steps_per_epoch * epochs)
    ]


def test_constant_is_constant():
    assert rates(Constant()) == [0.1] * 40


def test_cosine_starts_at_the_rate_is_half_in_the_middle_and_ends_near_zero():
    found = rates(Cosine())
    assert found[0] == 0.1
    assert found[20] == pytest.approx(0.05)
    assert found[-1] == pytest.approx(0.05 * (1 + math.cos(math.pi * 39 / 40)))
    assert learning_rate(0.1, Cosine(), step=40, steps_per_epoch=10, epochs=4) == pytest.approx(0)


def test_step_decay_falls_at_its_milestones_and_not_before():
    found = rates(StepDecay(milestones=(1, 3), factor=0.1))
    assert found[9] == 0.1
    assert found[10] == pytest.approx(0.01)
    assert found[29] == pytest.approx(0.01)
    assert found[30] == pytest.approx(0.001)


@pytest.mark.parametrize(
    "kind",
    [Constant(warmup=0.5), Cosine(warmup=0.5), StepDecay(milestones=(3,), warmup=0.5)],
)
def test_warm_up_rises_linearly_to_the_rate(kind):
    found = rates(kind)
    assert found[:5] == pytest.approx([0.1 * n / 6 for n in range(1, 6)])
    assert found[5] == pytest.approx(0.1)


@given(
    warmup=st.floats(0, 3),
    steps_per_epoch=st.integers(1, 50),
    epochs=st.integers(1, 20),
    share=st.floats(0, 1),
)
def test_a_rate_is_never_negative_nor_above_the_base(warmup, steps_per_epoch, epochs, share):
    step = int(share * (steps_per_epoch * epochs - 1))
    for schedule in (Constant(warmup=warmup), Cosine(warmup=warmup)):
        rate = learning_rate(
            0.3, schedule, step=step, steps_per_epoch=steps_per_epoch, epochs=epochs
        )
        assert 0 <= rate <= 0.3
