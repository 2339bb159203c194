"""The two sides of a term that compares layers or outputs, the student's and the teachers'.

B batch, N of them that count, F features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from students.errors import ObjectiveError
from students.knowledge import Knowledge, Tap
from students.objectives.config import TermConfig
from students.objectives.softening import Mean, agreed, soften_one


class Sides(Protocol):
    """Gives one vector for each sample that counts: the student's [N, F], the teachers' [N, F']."""

    def __call__(
        self, outputs: Mapping[str, Tensor], knowledge: Knowledge
    ) -> tuple[Tensor, Tensor]:
        """Both sides, of the same samples in the same order."""
        ...


@dataclass(frozen=True)
class LayerSides:
    """A layer of each side: what the learner gives as ``output``, and the tap of ``teacher``, the
    ``position``-th of the ensemble. Samples that it did not answer are left out."""

    output: str
    teacher: str
    position: int
    tap: Tap

    def __call__(
        self, outputs: Mapping[str, Tensor], knowledge: Knowledge
    ) -> tuple[Tensor, Tensor]:
        """The vectors of the samples on which the teacher is present."""
        present = knowledge.present[self.position]
        return outputs[self.output][present], self.of_teacher(knowledge)[present]

    def of_teacher(self, knowledge: Knowledge) -> Tensor:
        """The teacher's layer [B, ...], from which no gradient goes back."""
        return knowledge.taps[self.teacher][self.tap.name].detach()


@dataclass(frozen=True)
class OutputSides:
    """The student's distribution and the ensemble's, both at ``temperature``.

    Source: AMTML-KD (Liu, Zhang & Wang, 2020) compares "student outputs" with the ensemble's
    distribution q. Its released code puts the student's *log* probabilities beside q, so that a
    student that agrees with q still has a loss; here both sides are probabilities, and it has
    none. Samples about which the ensemble says nothing are left out: no teacher present, all
    weights zero, or a class that stands in for their answer. Where a gate makes the weights,
    its gradient runs through q.
    """

    temperature: float
    mean: Mean

    def __call__(
        self, outputs: Mapping[str, Tensor], knowledge: Knowledge
    ) -> tuple[Tensor, Tensor]:
        """The distributions [N, C] of the samples about which the ensemble says something."""
        target = agreed(knowledge, self.temperature, self.mean)
        said = target.detach().sum(dim=1) > 0
        if knowledge.fallback_labels is not None:
            said = said & (knowledge.fallback_labels < 0)
        return soften_one(outputs["logits"], self.temperature)[said], target[said]


def layer_sides(name: str, term: TermConfig, teachers: Sequence[str]) -> tuple[LayerSides, ...]:
    """The layers that the term ``name`` compares: for each hint the student's layer that stands
    beside it, or the only one that the term looks at.

    Raises:
        ObjectiveError: a layer of a teacher that is not there.
    """
    hints, outputs = term.hints(), tuple(term.guides(name))
    if len(outputs) == 1:
        outputs *= len(hints)
    return tuple(
        LayerSides(
            output,
            hint.teacher,
            _position(f"objective.{name}.{inside}", hint.teacher, teachers),
            Tap(hint.layer, hint.reduction),
        )
        for (inside, hint), output in zip(hints, outputs, strict=True)
    )


def _position(place: str, teacher: str, teachers: Sequence[str]) -> int:
    if teacher in teachers:
        return list(teachers).index(teacher)
    if place.endswith(".hint"):
        place = f"{place.removesuffix('hint')}teacher"
    there = ", ".join(teachers) if teachers else "none"
    raise ObjectiveError(
        f"`{place}` is {teacher!r}, which is not among the teachers ({there}); name one of them "
        "or add it.",
        path=place,
    )
