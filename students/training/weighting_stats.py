"""Statistics of per-sample teacher weighting: mean weights by class, and what the rule changed.

B batch, C classes, K teachers, G groups of samples: their classes, or all together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import one_hot

from students.knowledge import Knowledge
from students.objectives.softening import Mean, soften

CHANGED = 0.01
"""Total variation between two distributions from which on they count as different."""

MOST_CELLS = 128
"""Figures by teacher and class that an epoch may have; beyond, there are those by teacher alone."""

CHUNK = 1024
"""Samples whose statistics are computed together."""


def changed_targets(
    target_BC: Float[Tensor, "batch classes"], uniform_BC: Float[Tensor, "batch classes"]
) -> tuple[Bool[Tensor, " batch"], Bool[Tensor, " batch"]]:
    """Whether a rule's target differs from that of uniform weights by more than ``CHANGED`` in
    total variation, 1/2 sum |p - q|, and whether its largest class is another, for each sample."""
    distance_B = 0.5 * (target_BC - uniform_BC).abs().sum(dim=-1)
    return distance_B > CHANGED, target_BC.argmax(dim=-1) != uniform_BC.argmax(dim=-1)


@dataclass
class WeightingStats:
    """Statistics of the weights of ``teachers`` (by name) at the ensemble's ``temperature`` and
    ``mean``; one rank's sums since they were last taken.

    They are computed ``CHUNK`` samples at a time: for one micro-batch alone that would take as long
    as the objective itself. The sums do not depend on what was added before they were last taken:
    taken at each commit, they are the same to the bit in a run that was interrupted after it.
    """

    teachers: tuple[str, ...]
    classes: int
    temperature: float
    mean: Mean
    _sums: list[Tensor] = field(default_factory=list, init=False)
    _chunk: list[tuple[Knowledge, Tensor]] = field(default_factory=list, init=False)

    @property
    def groups(self) -> int:
        """How many groups of samples there are figures of: the classes, if they are few."""
        return self.classes if len(self.teachers) * self.classes <= MOST_CELLS else 1

    def add(self, knowledge: Knowledge, labels: Tensor) -> None:
        """Adds one micro-batch [B] of teachers with weights; nothing, if there are none."""
        if len(knowledge.logits) == 0:
            return
        if self._chunk and not torch.equal(self._chunk[0][0].known, knowledge.known):
            self._compute()
        self._chunk.append((replace(knowledge, weights=knowledge.shares.detach(), taps={}), labels))
        if sum(len(each) for _, each in self._chunk) >= CHUNK:
            self._compute()

    def take_sums(self) -> Tensor | None:
        """The sums of all that was added, float64, which then start at zero; none if empty."""
        self._compute()
        sums, self._sums = self._sums, []
        return torch.stack(sums).sum(0) if sums else None

    def _compute(self) -> None:
        if self._chunk:
            knowledge = concatenate([knowledge for knowledge, _ in self._chunk])
            labels = torch.cat([labels for _, labels in self._chunk])
            self._sums.append(self.accumulate(knowledge, labels))
            self._chunk = []

    def accumulate(self, knowledge: Knowledge, labels: Tensor) -> Tensor:
        """Sums over the samples of ``knowledge``, float64 [K G + G + 2]: weights by teacher and
        group, samples by group, samples whose target was changed, and whose class was.

        ``labels`` int64 [B]; a sample without one (-1) counts as of the class with the largest
        target under uniform weights. Where there is a fallback label, it is the target.
        """
        weights_KB, fallback_B = knowledge.shares.detach(), knowledge.fallback_labels
        target_BC, uniform_BC = soften(
            knowledge.logits,
            torch.stack([weights_KB, torch.ones_like(weights_KB)]),
            knowledge.known,
            knowledge.present,
            temperature=self.temperature,
            mean=self.mean,
        )
        if fallback_B is not None:
            fallback_BC = one_hot(fallback_B.clamp(min=0), self.classes).to(target_BC.dtype)
            target_BC = torch.where(fallback_B[:, None] >= 0, fallback_BC, target_BC)
        changed_B, renamed_B = changed_targets(target_BC, uniform_BC)
        groups_B = torch.zeros_like(labels)
        if self.groups > 1:
            groups_B = torch.where(labels >= 0, labels, uniform_BC.argmax(dim=-1))
        sums_KG = weights_KB.new_zeros(len(weights_KB), self.groups, dtype=torch.float64)
        sums_KG.index_add_(1, groups_B, weights_KB.double())
        counts_G = torch.bincount(groups_B, minlength=self.groups)
        both = torch.stack([changed_B.sum(), renamed_B.sum()])
        # A gating network that gives NaN must not end the run by its statistics.
        return torch.cat([sums_KG.flatten(), counts_G, both]).nan_to_num(0.0, 0.0, 0.0)

    def to_metrics(self, sums: Sequence[float]) -> dict[str, float]:
        """An epoch's figures by the names they are logged under, from the sums over its samples:
        ``weights/TEACHER``, a mean over the samples; ``weights/TEACHER/CLASS``, where there are
        figures by class and samples of it; ``rule/changed`` and ``rule/renamed``, shares of the
        samples. Nothing, if the sums are empty."""
        if not sums:
            return {}
        groups, (*cells, changed, renamed) = self.groups, sums
        weights, counts = cells[:-groups], cells[-groups:]
        samples = sum(counts)
        metrics: dict[str, float] = {}
        for place, name in enumerate(self._names(len(weights) // groups)):
            of_one = weights[place * groups :][:groups]
            metrics[f"weights/{name}"] = sum(of_one) / samples
            if groups > 1:
                pairs = enumerate(zip(of_one, counts, strict=True))
                metrics |= {f"weights/{name}/{c}": w / n for c, (w, n) in pairs if n}
        return metrics | {"rule/changed": changed / samples, "rule/renamed": renamed / samples}

    def _names(self, teachers: int) -> tuple[str, ...]:
        """The teachers' names; of several that are made of one, numbered from 1."""
        if teachers == len(self.teachers):
            return self.teachers
        return tuple(f"{self.teachers[0]}~{number + 1}" for number in range(teachers))


def concatenate(parts: Sequence[Knowledge]) -> Knowledge:
    """The knowledge of the same teachers of several micro-batches as one, without taps."""
    fallback = [each.fallback_labels for each in parts if each.fallback_labels is not None]
    return Knowledge(
        logits=torch.cat([each.logits for each in parts], dim=1),
        known=parts[0].known,
        present=torch.cat([each.present for each in parts], dim=1),
        weights=torch.cat([each.shares for each in parts], dim=1),
        taps={},
        fallback_labels=torch.cat(fallback) if fallback else None,
    )
