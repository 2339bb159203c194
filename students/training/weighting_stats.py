"""Who was listened to: sums over samples of the teachers' weights, and what a rule changed.

B batch, C classes, K teachers, G groups of samples: their classes, or all together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from students.knowledge import Knowledge
from students.objectives.softening import Mean, soften

CHANGED = 0.01
"""Total variation between two distributions from which on they are told apart."""

MOST_CELLS = 128
"""Figures by teacher and class that an epoch may have; beyond, teachers alone are told."""


def changes(
    target_BC: Float[Tensor, "batch classes"], uniform_BC: Float[Tensor, "batch classes"]
) -> tuple[Bool[Tensor, " batch"], Bool[Tensor, " batch"]]:
    """Whether a rule's target differs from that of uniform weights by more than ``CHANGED`` in
    total variation, 1/2 sum |p - q|, and whether it names another class, for each sample."""
    distance_B = 0.5 * (target_BC - uniform_BC).abs().sum(dim=-1)
    return distance_B > CHANGED, target_BC.argmax(dim=-1) != uniform_BC.argmax(dim=-1)


def sums_by_group(
    weights_KB: Float[Tensor, "teachers batch"],
    groups_B: Int[Tensor, " batch"],
    groups: int,
) -> tuple[Float[Tensor, "teachers groups"], Int[Tensor, " groups"]]:
    """The sum of each teacher's weights over each group's samples, and how many these are."""
    sums_KG = weights_KB.new_zeros(len(weights_KB), groups, dtype=torch.float64)
    sums_KG.index_add_(1, groups_B, weights_KB.double())
    return sums_KG, torch.bincount(groups_B, minlength=groups)


@dataclass(frozen=True)
class WeightingStats:
    """What a student notes of the ``teachers`` it heard, by name, at the ensemble's
    ``temperature`` and ``mean``."""

    teachers: tuple[str, ...]
    classes: int
    temperature: float
    mean: Mean

    @property
    def groups(self) -> int:
        """How many groups of samples are told apart: the classes, if they are few."""
        return self.classes if len(self.teachers) * self.classes <= MOST_CELLS else 1

    def heard(self, knowledge: Knowledge, labels: Tensor) -> Tensor:
        """Sums over the samples of ``knowledge``, float64 [K G + G + 2]: weights by teacher and
        group, samples by group, samples whose target was changed, and whose class was.

        ``labels`` int64 [B]; a sample without one (-1) counts as of the class that the teachers
        name by uniform weights. The target of a sample for which a class stands in is that class.
        """
        weights_KB = knowledge.shares.detach()
        target_BC, uniform_BC = self._targets(knowledge, weights_KB)
        if knowledge.fallback_labels is not None:
            stand_in_BC = one_hot(knowledge.fallback_labels.clamp(min=0), self.classes).to(
                target_BC.dtype
            )
            target_BC = torch.where(knowledge.fallback_labels[:, None] >= 0, stand_in_BC, target_BC)
        changed_B, renamed_B = changes(target_BC, uniform_BC)
        groups_B = torch.zeros_like(labels)
        if self.groups > 1:
            groups_B = torch.where(labels >= 0, labels, uniform_BC.argmax(dim=-1))
        sums_KG, counts_G = sums_by_group(weights_KB, groups_B, self.groups)
        both = torch.stack([changed_B.sum(), renamed_B.sum()])
        # A gate that is no numbers any more must not end the run by what is told of it.
        return torch.cat([sums_KG.flatten(), counts_G, both]).nan_to_num(0.0, 0.0, 0.0)

    def _targets(self, knowledge: Knowledge, weights_KB: Tensor) -> tuple[Tensor, Tensor]:
        """The targets [B, C] by these weights and by uniform ones, softened at one go."""
        target_BC, uniform_BC = soften(
            knowledge.logits,
            torch.stack([weights_KB, torch.ones_like(weights_KB)]),
            knowledge.known,
            knowledge.present,
            temperature=self.temperature,
            mean=self.mean,
        )
        return target_BC, uniform_BC

    def told(self, sums: Sequence[float]) -> dict[str, float]:
        """The figures of an epoch by the names under which they are logged, from the sum of what
        was heard: ``weights/TEACHER``, a mean over the samples; ``weights/TEACHER/CLASS``, where
        classes are told apart and there was one; ``rule/changed`` and ``rule/renamed``, shares of
        the samples. Nothing, if nothing was heard."""
        if not sums:
            return {}
        groups, (*cells, changed, renamed) = self.groups, sums
        weights, counts = cells[:-groups], cells[-groups:]
        samples = sum(counts)
        figures: dict[str, float] = {}
        for place, name in enumerate(self._names(len(weights) // groups)):
            of_one = weights[place * groups :][:groups]
            figures[f"weights/{name}"] = sum(of_one) / samples
            if groups > 1:
                pairs = enumerate(zip(of_one, counts, strict=True))
                figures |= {f"weights/{name}/{c}": w / n for c, (w, n) in pairs if n}
        return figures | {"rule/changed": changed / samples, "rule/renamed": renamed / samples}

    def _names(self, teachers: int) -> tuple[str, ...]:
        """The teachers' names; of several that are made of one, numbered from 1."""
        if teachers == len(self.teachers):
            return self.teachers
        return tuple(f"{self.teachers[0]}~{number + 1}" for number in range(teachers))


def added(before: Sequence[float], more: Sequence[float]) -> tuple[float, ...]:
    """Two sums of what was heard as one; either may be of nothing."""
    if not before or not more:
        return tuple(before or more)
    return tuple(one + other for one, other in zip(before, more, strict=True))
