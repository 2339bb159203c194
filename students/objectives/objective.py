"""The objective: the weighted sum of its terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor

from students.errors import ObjectiveError
from students.knowledge import Batch, Knowledge, Tap
from students.objectives.config import Guided
from students.objectives.weight import Schedule, weight_at


class Term(Protocol):
    """One loss of a micro-batch, without its weight: a scalar with a gradient."""

    def __call__(self, outputs: Mapping[str, Tensor], batch: Batch, knowledge: Knowledge) -> Tensor:
        """The loss of one micro-batch, in the graph of ``outputs``."""
        ...


@dataclass(frozen=True)
class WeightedTerm:
    """A term and how much it counts in which epoch. ``taught`` terms cannot do without teachers."""

    weight: float | Schedule
    term: Term
    taught: bool


@dataclass(frozen=True)
class Objective:
    """What a student minimises on each micro-batch.

    ``terms`` by name, in the recipe's order, without those that never count. ``taps``: what each
    teacher, by name, must hand over beside its logits. ``guided``: the student's layers that
    the learner records, by the name of what it gives for each.
    """

    terms: Mapping[str, WeightedTerm]
    taps: Mapping[str, tuple[Tap, ...]] = field(default_factory=dict)
    guided: Mapping[str, Guided] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The terms' names, in the recipe's order."""
        return tuple(self.terms)

    def __call__(
        self, outputs: Mapping[str, Tensor], batch: Batch, knowledge: Knowledge, epoch: int = 0
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss in ``epoch``, and each term's value without its weight and detached.

        ``outputs`` of the learner: ``logits`` [B, C], and for each hint term, under the
        term's name, the adapted guided layer [B, ...].

        Raises:
            ObjectiveError: a term needs teachers and ``knowledge`` has none.
        """
        loss: Tensor | None = None
        values: dict[str, Tensor] = {}
        for name, weighted in self.terms.items():
            weight = weight_at(weighted.weight, epoch)
            if weighted.taught and knowledge.logits.shape[0] == 0:
                raise _nobody_teaches(name)
            value = weighted.term(outputs, batch, knowledge)
            values[name] = value.detach()
            loss = weight * value if loss is None else loss + weight * value
        assert loss is not None  # build_objective refuses an objective without terms
        return loss, values


def _nobody_teaches(name: str) -> ObjectiveError:
    return ObjectiveError(
        f"`objective.{name}` learns from teachers, of which there are none; add a teacher or "
        "take the term out.",
        path=f"objective.{name}",
    )
