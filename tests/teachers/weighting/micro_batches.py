"""Micro-batches for weighting rules: of golden logits, or random from a seed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from students.knowledge import Knowledge, Question
from teachers.weighting.constant import Fixed, Uniform
from teachers.weighting.entropy import MaxEntropy, MinEntropy
from teachers.weighting.label_rules import Confidence, CorrectOnly
from teachers.weighting.random_choice import RandomChoice
from teachers.weighting.rule import RuleContext, WeightingRule

NAMES = ("wide", "deep", "third")
SHARES = {"wide": 0.5, "deep": 0.3, "third": 0.2}
RULES: tuple[WeightingRule, ...] = (
    Uniform(),
    Fixed(weights=SHARES),
    RandomChoice(),
    RandomChoice(per="batch", weights=SHARES),
    MaxEntropy(),
    MinEntropy(),
    Confidence(),
    CorrectOnly(),
)


@dataclass(frozen=True)
class MicroBatch:
    """What a rule computes weights from."""

    logits: Tensor
    known: Tensor
    present: Tensor
    labels: Tensor | None
    sample_ids: npt.NDArray[np.int64]
    epoch: int


def micro_batch(logits: Tensor, labels: list[int] | None = None) -> MicroBatch:
    """All teachers present, knowing all classes; sample ids count from 100."""
    teachers, samples, classes = logits.shape
    return MicroBatch(
        logits=logits,
        known=torch.ones(teachers, classes, dtype=torch.bool),
        present=torch.ones(teachers, samples, dtype=torch.bool),
        labels=None if labels is None else torch.tensor(labels),
        sample_ids=np.arange(100, 100 + samples, dtype=np.int64),
        epoch=0,
    )


def random_batch(seed: int, *, samples: int = 6, classes: int = 4, teachers: int = 3) -> MicroBatch:
    """A random micro-batch; a third of its samples have no label."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(teachers, samples, classes, generator=generator) * 3
    labels = torch.randint(0, classes, (samples,), generator=generator)
    labels[::3] = -1
    return replace(micro_batch(logits), labels=labels)


def with_present(batch: MicroBatch, present: Tensor) -> MicroBatch:
    """The same, where teachers that are not ``present`` [K, B] have NaN as logits."""
    logits = torch.where(present.unsqueeze(2), batch.logits, torch.nan)
    return replace(batch, logits=logits, present=present)


def weigh(
    rule: WeightingRule, batch: MicroBatch, names: tuple[str, ...] = NAMES, seed: int = 0
) -> Knowledge:
    """The knowledge that ``rule`` makes of a micro-batch."""
    knowledge = Knowledge(batch.logits, batch.known, batch.present, weights=None, taps={})
    question = Question(0, batch.sample_ids, batch.epoch)
    return rule.weigh(knowledge, RuleContext(names, seed, question, batch.labels))


def weights(
    rule: WeightingRule, batch: MicroBatch, names: tuple[str, ...] = NAMES, seed: int = 0
) -> Tensor:
    """The weights [K, B] that ``rule`` computes."""
    return weigh(rule, batch, names, seed).shares
