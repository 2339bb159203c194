"""The words in which knowledge passes from teachers to a student.

B batch, C classes, K teachers. Arrays that travel between processes are numpy;
what a student computes with is torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Reduction = Literal["none", "pool", "embedding"]


@dataclass(frozen=True)
class Batch:
    """Some samples of a transfer set under one view.

    ``inputs`` uint8 [B, channels, height, width]; ``targets`` int64 [B], -1 where the
    student is given no label; ``sample_ids`` int64 [B], of the whole data set.
    """

    inputs: Tensor
    targets: Tensor
    sample_ids: npt.NDArray[np.int64]
    view: int


@dataclass(frozen=True)
class Question:
    """Names samples, not pixels: which samples [B] under which view.

    ``epoch`` is the one in which it is asked: no answer depends on it, but what is done to
    answers afterwards may, such as noise. ``taps`` are those that some term needs in it, by
    teacher's name; none where it needs all that a teacher was built to hand over.
    """

    view: int
    sample_ids: npt.NDArray[np.int64]
    epoch: int = 0
    taps: Mapping[str, tuple[Tap, ...]] | None = None

    def asked_of(self, teacher: str, every: tuple[Tap, ...]) -> tuple[Tap, ...]:
        """Which taps are asked of a teacher that was built to hand over ``every`` one."""
        if self.taps is None:
            return every
        asked = self.taps.get(teacher, ())
        return tuple(tap for tap in every if tap in asked)


@dataclass(frozen=True)
class Tap:
    """A layer of a network, by module name, and what is kept of it per sample.

    ``none`` keeps the output as it is; ``pool`` averages all spatial positions,
    (C, H, W) to (C); ``embedding`` makes one vector of whatever it is: (C, H, W) and (L, D)
    averaged over positions, (D) as it is.
    """

    layer: str
    reduction: Reduction = "none"

    @property
    def name(self) -> str:
        """How answers and stores refer to the tap: ``layer3`` or ``layer3:pool``."""
        return self.layer if self.reduction == "none" else f"{self.layer}:{self.reduction}"


@dataclass(frozen=True)
class Answer:
    """One teacher on one question.

    ``logits`` float16 [B, C], not softened; ``taps`` float16 [B, ...] by tap name;
    ``seconds`` is the teacher's own computing time, in which it computed ``computed`` samples
    (the others were known); ``remark`` is what it has to say once, such as a full disk.
    """

    logits: npt.NDArray[np.float16]
    taps: Mapping[str, npt.NDArray[np.float16]]
    seconds: float
    computed: int = 0
    remark: str = ""


@dataclass(frozen=True)
class Knowledge:
    """What K teachers say about one micro-batch.

    ``logits`` float32 [K, B, C]; ``known`` bool [K, C], the classes a teacher knows;
    ``present`` bool [K, B], who answered; ``weights`` float32 [K, B], summing to one over the
    teachers present, or none where the student's own gate makes them; ``taps`` by teacher's
    name, then by tap's name, float32 [B, ...]; ``instead`` int64 [B], for samples on which no
    teacher counts the class that stands in for their answer, -1 elsewhere.
    With K = 0 there is no teacher and nothing to learn from.
    """

    logits: Tensor
    known: Tensor
    present: Tensor
    weights: Tensor | None
    taps: Mapping[str, Mapping[str, Tensor]]
    instead: Tensor | None = None

    @property
    def shares(self) -> Tensor:
        """The weights, as terms find them: made by now, by whomever.

        Raises:
            ValueError: the student's gate has not made them yet.
        """
        if self.weights is None:
            raise ValueError("`weights` is None: the gate that makes them has not been asked yet")
        return self.weights

    def on(self, device: torch.device) -> Knowledge:
        """The same knowledge where the student computes."""
        return Knowledge(
            logits=self.logits.to(device),
            known=self.known.to(device),
            present=self.present.to(device),
            weights=None if self.weights is None else self.weights.to(device),
            taps={
                teacher: {tap: values.to(device) for tap, values in taps.items()}
                for teacher, taps in self.taps.items()
            },
            instead=None if self.instead is None else self.instead.to(device),
        )


@dataclass(frozen=True)
class AnswerCounts:
    """How many samples' answers of one teacher were ``read`` from the bank and how many
    ``asked`` of the teacher, which had to compute ``computed`` of these."""

    read: int = 0
    asked: int = 0
    computed: int = 0


class KnowledgeSource(Protocol):
    """What a trainer needs from whoever teaches."""

    def counts(self) -> Mapping[str, AnswerCounts]:
        """What was learnt from so far, by teacher's name."""
        ...

    def attend(self, questions: Iterable[Question]) -> AbstractContextManager[Iterator[Knowledge]]:
        """Answers to ``questions``, one for each, in their order.

        Leaving the context frees every teacher, however many answers were taken.
        """
        ...
