"""Makes the buffers of one learner equal on all ranks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from students.engines.engine import Group
from students.engines.process_group import add_up


class SharedBuffers:
    """The buffers of a learner, of which each rank has seen its own micro-batches.

    Statistics (floating point) are averaged. Counts (integers, as ``num_batches_tracked``) grow
    by what *all* ranks have counted since the last time, so they say what one rank would.
    """

    def __init__(self, learner: nn.Module, group: Group) -> None:
        self._learner = learner
        self._group = group
        self._counted = {name: count.clone() for name, count in self._counts().items()}

    @torch.no_grad()
    def settle(self) -> None:
        """Makes them equal; collective, and without effect the second time."""
        if self._group.ranks == 1:
            return
        self._average([b for b in self._learner.buffers() if b.is_floating_point()])
        for name, count in self._counts().items():
            grown = (count - self._counted[name]).to(torch.int64)
            count.copy_(self._counted[name] + add_up(grown, self._group))
            self._counted[name] = count.clone()

    def _average(self, statistics: list[Tensor]) -> None:
        if not statistics:
            return
        # In float64 the mean of equal float32 values is that value again, for any number of ranks.
        flat = torch.cat([buffer.reshape(-1).to(torch.float64) for buffer in statistics])
        add_up(flat, self._group).div_(self._group.ranks)
        start = 0
        for buffer in statistics:
            buffer.copy_(flat[start : start + buffer.numel()].view_as(buffer))
            start += buffer.numel()

    def _counts(self) -> dict[str, Tensor]:
        return {
            name: buffer
            for name, buffer in self._learner.named_buffers()
            if not (buffer.is_floating_point() or buffer.is_complex() or buffer.dtype == torch.bool)
        }
