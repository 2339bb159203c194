"""The objective: the weighted sum of its terms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from students.errors import ObjectiveError
from students.knowledge import Batch, Knowledge, Tap
from students.objectives.layer_refs import Guided
from students.objectives.teacher_gate import penalty_of, weighed
from students.objectives.weight_schedule import Schedule, asks, weight_at
from students.specs import Gating


class Term(Protocol):
    """One loss of a micro-batch, without its weight: a scalar with a gradient."""

    def __call__(self, outputs: Mapping[str, Tensor], batch: Batch, knowledge: Knowledge) -> Tensor:
        """The loss of one micro-batch, in the graph of ``outputs``."""
        ...


@dataclass(frozen=True)
class WeightedTerm:
    """A term and how much it counts in which epoch. ``taught`` terms cannot do without teachers;
    ``sees`` names what the term looks at of the learner's outputs, ``taps`` what it needs of each
    teacher, by name, beside the logits."""

    weight: float | Schedule
    term: Term
    taught: bool
    sees: tuple[str, ...] = ("logits",)
    taps: Mapping[str, tuple[Tap, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Objective:
    """What a student minimises on each micro-batch.

    ``terms`` by name, in the recipe's order, without those that never count. ``guided``: the
    student's layers that the learner records, by the name of what it gives for each. ``gate``:
    how the student weighs its teachers itself, if it does.
    """

    terms: Mapping[str, WeightedTerm]
    guided: Mapping[str, Guided] = field(default_factory=dict)
    gate: Gating | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The terms' names, in the recipe's order."""
        return tuple(self.terms)

    def counting(self, epoch: int) -> dict[str, tuple[float, WeightedTerm]]:
        """The terms of weight above zero in ``epoch``, by name, each after its weight."""
        now = {name: (weight_at(each.weight, epoch), each) for name, each in self.terms.items()}
        return {name: (weight, each) for name, (weight, each) in now.items() if weight > 0}

    def asks(self, epoch: int) -> bool:
        """Whether a term that counts in ``epoch`` learns from teachers."""
        return asks(self.terms.values(), epoch)

    @property
    def taps(self) -> dict[str, tuple[Tap, ...]]:
        """What teachers, by name, must hand over beside their logits in any epoch."""
        return joined(each.taps for each in self.terms.values())

    def taps_in(self, epoch: int) -> dict[str, tuple[Tap, ...]]:
        """What teachers, by name, must hand over in ``epoch`` beside their logits."""
        return joined(each.taps for _, each in self.counting(epoch).values())

    def weighed(self, outputs: Mapping[str, Tensor], knowledge: Knowledge, epoch: int) -> Knowledge:
        """The knowledge with the weights that the student's own gate makes, if it has one."""
        return weighed(self.gate, outputs, knowledge, epoch)

    def __call__(
        self, outputs: Mapping[str, Tensor], batch: Batch, knowledge: Knowledge, epoch: int = 0
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss in ``epoch``, and each counting term's value without its weight and detached.

        ``outputs`` of the learner: ``logits`` [B, C], and for each layer that a term looks at,
        under its name in ``guided``, that layer adapted [B, ...]. A term of weight 0 in this
        epoch is not computed.

        Raises:
            ObjectiveError: a term needs teachers and ``knowledge`` has none, or no term counts.
        """
        knowledge = self.weighed(outputs, knowledge, epoch)
        loss = penalty_of(self.gate, outputs, epoch) if self.asks(epoch) else None
        values: dict[str, Tensor] = {}
        counting = self.counting(epoch)
        for name, (weight, weighted) in counting.items():
            if weighted.taught and knowledge.logits.shape[0] == 0:
                raise _nobody_teaches(name)
            value = weighted.term(outputs, batch, knowledge)
            values[name] = value.detach()
            loss = weight * value if loss is None else loss + weight * value
        if loss is None or not values:
            raise _all_silent(self.names, epoch)
        seen = {output for _, each in counting.values() for output in each.sees}
        # What no term looks at gets gradients of zero: none at all, and ZeRO-3 takes the last ones
        # it had, which would go into the norm by which all gradients are clipped.
        return sum((unmoved(outputs[name]) for name in outputs if name not in seen), loss), values


def joined(parts: Iterable[Mapping[str, tuple[Tap, ...]]]) -> dict[str, tuple[Tap, ...]]:
    """The taps of several terms, by teacher's name: each once, in order."""
    taps: dict[str, dict[Tap, None]] = {}
    for part in parts:
        for teacher, wanted in part.items():
            taps.setdefault(teacher, {}).update(dict.fromkeys(wanted))
    return {teacher: tuple(wanted) for teacher, wanted in taps.items()}


def unmoved(output: Tensor) -> Tensor:
    """0, whose gradient is 0 at every element of ``output``, whatever it holds."""
    nowhere = torch.zeros((), dtype=torch.bool, device=output.device)
    return torch.where(nowhere, output, 0.0).sum()


def _nobody_teaches(name: str) -> ObjectiveError:
    return ObjectiveError(
        f"`objective.{name}` learns from teachers, of which there are none; add a teacher or "
        "take the term out.",
        path=f"objective.{name}",
    )


def _all_silent(names: tuple[str, ...], epoch: int) -> ObjectiveError:
    return ObjectiveError(
        f"`objective` has no term of weight above zero in epoch {epoch} (the first is 0), of "
        f"{len(names)} terms; give one of them a weight there.",
        path="objective",
    )
