"""What passes between teachers and a student: questions, answers, knowledge.

B batch, C classes, K teachers. Arrays that travel between processes are numpy;
what a student computes with is torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from students.lazy_imports import Tensor, np, npt, torch

Reduction = Literal["none", "pool", "embedding"]

LOGITS = "logits"
"""The column of an answer that holds the logits."""
_TAP = "tap."

Columns: TypeAlias = "Mapping[str, npt.NDArray[np.float16]]"
"""Arrays [B, ...] by column, with one row for each sample."""


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

    ``epoch`` is the epoch in which it is asked: no answer depends on it, but what is applied to
    answers afterwards may, such as noise. ``taps`` are those that some term needs in that epoch,
    by the teacher's name; None asks for all that a teacher was built to return.
    """

    view: int
    sample_ids: npt.NDArray[np.int64]
    epoch: int = 0
    taps: Mapping[str, tuple[Tap, ...]] | None = None

    def taps_from(self, teacher: str, available: tuple[Tap, ...]) -> tuple[Tap, ...]:
        """The taps asked of a teacher that can return those ``available``."""
        if self.taps is None:
            return available
        asked = self.taps.get(teacher, ())
        return tuple(tap for tap in available if tap in asked)


@dataclass(frozen=True)
class Tap:
    """A layer of a network, by module name, and how its output is reduced per sample.

    ``none`` keeps the output as it is; ``pool`` averages all spatial positions,
    (C, H, W) to (C); ``embedding`` makes one vector of any output: (C, H, W) and (L, D)
    averaged over positions, (D) as it is.
    """

    layer: str
    reduction: Reduction = "none"

    @property
    def name(self) -> str:
        """How answers and stores refer to the tap: ``layer3`` or ``layer3:pool``."""
        return self.layer if self.reduction == "none" else f"{self.layer}:{self.reduction}"

    @property
    def column(self) -> str:
        """The column of an answer that holds the tap."""
        return f"{_TAP}{self.name}"


def columns_of(taps: Iterable[Tap]) -> tuple[str, ...]:
    """The columns of an answer with these taps."""
    return (LOGITS, *(tap.column for tap in taps))


@dataclass(frozen=True)
class Answer:
    """One teacher's output for one question, in the same columns from the forward pass to the
    student, whether it is computed, stored or streamed.

    ``columns`` are ``logits`` [B, C], not softened, and [B, ...] for each tap;
    ``seconds`` is the teacher's own computing time, in which it computed ``computed`` samples
    (the others were stored); ``warning`` is logged once by the student, such as a full disk.
    """

    columns: Columns
    seconds: float = 0.0
    computed: int = 0
    warning: str = ""

    @property
    def logits(self) -> npt.NDArray[np.float16]:
        """The column of the logits, [B, C]."""
        return self.columns[LOGITS]

    @property
    def taps(self) -> dict[str, npt.NDArray[np.float16]]:
        """The columns of the taps, [B, ...] by the tap's name."""
        return {
            name.removeprefix(_TAP): values
            for name, values in self.columns.items()
            if name != LOGITS
        }


@dataclass(frozen=True)
class Knowledge:
    """The outputs of K teachers for one micro-batch, and their weights.

    ``logits`` float32 [K, B, C]; ``known`` bool [K, C], the classes a teacher covers;
    ``present`` bool [K, B], which teachers answered; ``weights`` float32 [K, B], summing to one
    over the teachers present, or None until a weighting rule or the student's gating network
    fills them in; ``taps`` by the teacher's name, then by the tap's, float32 [B, ...];
    ``fallback_labels`` int64 [B], the class that replaces the soft target of a sample for which
    all weights are 0, -1 elsewhere. With K = 0 there is no teacher and nothing to learn from.
    """

    logits: Tensor
    known: Tensor
    present: Tensor
    weights: Tensor | None
    taps: Mapping[str, Mapping[str, Tensor]]
    fallback_labels: Tensor | None = None

    @property
    def shares(self) -> Tensor:
        """The weights [K, B], for terms, which run after they were filled in.

        Raises:
            ValueError: the student's gating network has not filled them in yet.
        """
        if self.weights is None:
            raise ValueError("`weights` is None: the gating network has not computed them yet")
        return self.weights

    def to(self, device: torch.device) -> Knowledge:
        """The same knowledge on the device of the student."""
        fallback = self.fallback_labels
        return Knowledge(
            logits=self.logits.to(device),
            known=self.known.to(device),
            present=self.present.to(device),
            weights=None if self.weights is None else self.weights.to(device),
            taps={
                teacher: {tap: values.to(device) for tap, values in taps.items()}
                for teacher, taps in self.taps.items()
            },
            fallback_labels=None if fallback is None else fallback.to(device),
        )


@dataclass(frozen=True)
class AnswerCounts:
    """How many samples' answers of one teacher were ``read`` from the bank and how many
    ``asked`` of the teacher, which had to compute ``computed`` of these."""

    read: int = 0
    asked: int = 0
    computed: int = 0


class KnowledgeSource(Protocol):
    """What a trainer needs from the teachers' side."""

    def counts(self) -> Mapping[str, AnswerCounts]:
        """How many answers were used so far, by the teacher's name."""

    def ask(self, questions: Iterable[Question]) -> AbstractContextManager[Iterator[Knowledge]]:
        """Knowledge for each of ``questions``, in order.

        Leaving the context frees every teacher, however many answers were taken.
        """
