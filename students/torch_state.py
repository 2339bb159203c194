"""Gives a role's computation its own number of threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def computing_on(threads: int) -> Iterator[None]:
    """Lets torch compute on ``threads`` cores inside the context, as before outside it.

    The number changes the bits of a result (sums are cut differently), so a role keeps its own
    wherever it runs.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
