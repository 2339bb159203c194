"""Notes of what was heard from the teachers, worked out lot by lot.

A micro-batch alone would take as long as the objective itself: it is small, and there is much to
do with it. So what was heard is kept until it is a lot, or until the sums are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from students.knowledge import Knowledge
from students.training.weighting_stats import WeightingStats

LOT = 1024
"""Samples that are worked out together."""


@dataclass
class WeightingStatsBuffer:
    """What one rank has heard since its notes were last taken.

    The sums do not depend on what was noted before they were last taken: taken at each commit,
    they are the same to the bit in a run that was broken off after it.
    """

    listening: WeightingStats
    _sums: list[Tensor] = field(default_factory=list)
    _lot: list[tuple[Knowledge, Tensor]] = field(default_factory=list)

    def note(self, knowledge: Knowledge, labels: Tensor) -> None:
        """Notes one micro-batch [B], of teachers who have weights; nothing, if it is nobody's."""
        if len(knowledge.logits) == 0:
            return
        if self._lot and not torch.equal(self._lot[0][0].known, knowledge.known):
            self._work_out()
        self._lot.append((replace(knowledge, weights=knowledge.shares.detach(), taps={}), labels))
        if sum(len(each) for _, each in self._lot) >= LOT:
            self._work_out()

    def taken(self) -> Tensor | None:
        """The sums of all that was noted, float64, which then begin anew; none if it is nothing."""
        self._work_out()
        sums, self._sums = self._sums, []
        return torch.stack(sums).sum(0) if sums else None

    def _work_out(self) -> None:
        if self._lot:
            heard = joined([knowledge for knowledge, _ in self._lot])
            labels = torch.cat([labels for _, labels in self._lot])
            self._sums.append(self.listening.heard(heard, labels))
            self._lot = []


def joined(parts: Sequence[Knowledge]) -> Knowledge:
    """What the same teachers said of several micro-batches, as of one, without taps."""
    fallback_labels = [each.fallback_labels for each in parts if each.fallback_labels is not None]
    return Knowledge(
        logits=torch.cat([each.logits for each in parts], dim=1),
        known=parts[0].known,
        present=torch.cat([each.present for each in parts], dim=1),
        weights=torch.cat([each.shares for each in parts], dim=1),
        taps={},
        fallback_labels=torch.cat(fallback_labels) if fallback_labels else None,
    )
