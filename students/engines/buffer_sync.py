"""Makes the buffers of a learner equal on all ranks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from students.engines.group import Group
from students.engines.process_group import add_up, average


class BufferSync:
    """Synchronises the buffers of a learner, which on each rank saw its own micro-batches.

    Statistics (floating point) are averaged. Counts (integers, as ``num_batches_tracked``) grow
    by what *all* ranks have counted since the last time, so they are what one rank would count.
    """

    def __init__(self, learner: nn.Module, group: Group) -> None:
        self._learner = learner
        self._group = group
        self._counted = {name: count.clone() for name, count in self._counts().items()}

    @torch.no_grad()
    def sync(self) -> None:
        """Makes them equal; collective, and without effect the second time."""
        if self._group.ranks == 1:
            return
        statistics = [b for b in self._learner.buffers() if b.is_floating_point()]
        # In float64 the mean of equal float32 values is that value again, for any number of ranks.
        average(statistics, self._group, dtype=torch.float64)
        for name, count in self._counts().items():
            grown = (count - self._counted[name]).to(torch.int64)
            count.copy_(self._counted[name] + add_up(grown, self._group))
            self._counted[name] = count.clone()

    def _counts(self) -> dict[str, Tensor]:
        return {
            name: buffer
            for name, buffer in self._learner.named_buffers()
            if not (buffer.is_floating_point() or buffer.is_complex() or buffer.dtype == torch.bool)
        }
