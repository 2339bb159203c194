"""Threads of one process that draw from torch's one generator do not disturb each other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import torch
from torch import nn

from students.models.build import build_model, build_on
from students.models.in_a_row import Mlp
from students.torch_state import leave_generator, use_seed

CPU, SHAPE = torch.device("cpu"), (1, 8, 8)


def build() -> nn.Module:
    return build_model(Mlp(hidden=(4,)), input_shape=SHAPE, classes=10, seed=7, folder=Path())


def build_skeleton() -> nn.Module:
    return build_on("meta", Mlp(hidden=(4,)), SHAPE, 10, Path())


def draw() -> list[float]:
    with use_seed(3, CPU):
        return [torch.rand(1).item() for _ in range(5)]


@pytest.mark.parametrize(
    "inside", [leave_generator, lambda: use_seed(5, CPU)], ids=["build", "step"]
)
@pytest.mark.parametrize("work", [build, build_skeleton, draw])
def test_a_thread_does_not_draw_while_another_one_does(
    inside: Callable[[], AbstractContextManager[None]], work: Callable[[], object]
) -> None:
    done = threading.Event()
    thread = threading.Thread(target=lambda: (work(), done.set()))
    with inside():
        thread.start()
        assert not done.wait(0.05)
    assert done.wait(10)
    thread.join()


def test_the_generator_is_left_as_it_was() -> None:
    before, drawn = torch.get_rng_state(), draw()
    torch.set_rng_state(before)
    build()
    build_skeleton()
    assert torch.equal(torch.get_rng_state(), before)
    assert draw() == drawn
