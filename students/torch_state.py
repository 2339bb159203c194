"""Torch's state in one process: how many threads it computes on, and its generators' seeds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from students.custom_code import ONE_AT_A_TIME


@contextmanager
def use_threads(threads: int) -> Iterator[None]:
    """Makes torch compute on ``threads`` cores inside the context.

    The number changes the bits of a result (sums are split differently), so each role keeps its
    own wherever it runs.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def use_seed(seed: int, device: torch.device) -> Iterator[None]:
    """Seeds the CPU's generator, and the device's own where it is another; inside the context no
    other thread draws from them.

    Not ``torch.manual_seed``: where no GPU is in use, it stores the seed and the whole call
    stack in a queue for later, at every call.
    """
    with ONE_AT_A_TIME:
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            torch.cuda.manual_seed(seed)
        yield


@contextmanager
def leave_generator() -> Iterator[None]:
    """Leaves the CPU's generator as it was; inside the context no other thread draws from it, or
    finds it changed."""
    with ONE_AT_A_TIME, torch.random.fork_rng(devices=[]):
        yield
