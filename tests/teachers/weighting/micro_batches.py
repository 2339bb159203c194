"""Micro-batches as rules are told of them: of golden logits, or drawn by a seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from teachers.config import (
    Confidence,
    CorrectOnly,
    Fixed,
    MaxEntropy,
    MinEntropy,
    RandomChoice,
    Uniform,
    Weighting,
)
from teachers.weighting.catalog import build_rule
from teachers.weighting.rule import Said, Weighed

NAMES = ("wide", "deep", "third")
SHARES = {"wide": 0.5, "deep": 0.3, "third": 0.2}
KINDS: tuple[Weighting, ...] = (
    Uniform(),
    Fixed(weights=SHARES),
    RandomChoice(),
    RandomChoice(per="batch", weights=SHARES),
    MaxEntropy(),
    MinEntropy(),
    Confidence(),
    CorrectOnly(),
)


def said(logits: Tensor, labels: list[int] | None = None, *, epoch: int = 0) -> Said:
    """All teachers present, knowing all classes; sample ids count from 100."""
    teachers, samples, classes = logits.shape
    return Said(
        logits=logits,
        known=torch.ones(teachers, classes, dtype=torch.bool),
        present=torch.ones(teachers, samples, dtype=torch.bool),
        labels=None if labels is None else torch.tensor(labels),
        sample_ids=np.arange(100, 100 + samples, dtype=np.int64),
        epoch=epoch,
    )


def drawn(seed: int, *, samples: int = 6, classes: int = 4, teachers: int = 3) -> Said:
    """Some micro-batch, a third of whose samples have no label."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(teachers, samples, classes, generator=generator) * 3
    labels = torch.randint(0, classes, (samples,), generator=generator)
    labels[::3] = -1
    return replace(said(logits), labels=labels)


def without(some: Said, present: Tensor) -> Said:
    """The same, but who is not ``present`` [K, B] leaves values that are not numbers."""
    logits = torch.where(present.unsqueeze(2), some.logits, torch.nan)
    return replace(some, logits=logits, present=present)


def weigh(
    weighting: Weighting, some: Said, names: tuple[str, ...] = NAMES, seed: int = 0
) -> Weighed:
    """What the rule of that kind makes of it."""
    return build_rule(weighting, names, seed)(some)


def weights(weighting: Weighting, some: Said, names: tuple[str, ...] = NAMES) -> Tensor:
    """Its weights [K, B]."""
    found = weigh(weighting, some, names).weights
    assert found is not None
    return found
