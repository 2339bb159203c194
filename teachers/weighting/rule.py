"""What every weighting rule is: its settings in the recipe, what it needs, and its weights.

B batch, K teachers.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from cluster.section import Section
from students.knowledge import Knowledge, Question
from students.lazy_imports import Bool, Float, Int, Tensor, torch


@dataclass(frozen=True)
class RuleContext:
    """What weights may depend on beside the teachers' answers.

    ``names`` of the K teachers; ``seed`` for rules that draw; the ``question`` that was asked;
    ``labels`` int64 [B], those that the student is given and -1 elsewhere, None where the rule
    does not need them.
    """

    names: tuple[str, ...]
    seed: int
    question: Question
    labels: Int[Tensor, " batch"] | None

    @property
    def given_labels(self) -> Int[Tensor, " batch"]:
        """The labels, for a rule that needs them.

        Raises:
            ValueError: there are none.
        """
        if self.labels is None:
            raise ValueError("`labels` is None, but the rule needs them; give them to the ensemble")
        return self.labels


class WeightingRule(Section):
    """How much each teacher counts for a sample.

    A subclass adds ``kind``, its settings, and ``weigh``. What recipe, planner and report must
    know of a kind is a class variable or a method here, never a comparison with its name.
    """

    kind: str

    needs_labels: ClassVar[bool] = False
    """Whether it depends on the labels that the student is given."""
    reads_answers: ClassVar[bool] = False
    """Whether its weights depend on the teachers' logits."""
    is_random: ClassVar[bool] = False
    """Whether it depends on random draws."""
    is_constant: ClassVar[bool] = False
    """Whether a teacher's weight is the same for every sample."""
    has_fallback: ClassVar[bool] = False
    """Whether the label replaces the soft target of samples for which all weights are 0."""
    is_trained: ClassVar[bool] = False
    """Whether a gating network that is trained with the student computes it."""
    training_only: ClassVar[str] = ""
    """Why it cannot be applied to held-out samples, where there are no labels, no draws and no
    student; empty if it can."""

    @abstractmethod
    def weigh(self, knowledge: Knowledge, context: RuleContext) -> Knowledge:
        """The knowledge about one micro-batch with ``weights`` filled in: at least 0, summing to
        one over the teachers present, 0 for the absent, whose logits may hold anything."""

    def given_weights(self, names: Sequence[str]) -> tuple[float, ...] | None:
        """The weights [K] that the recipe gives as numbers, in the order of ``names``; None if
        the rule computes them."""
        return None


def normalized(weights: dict[str, float], names: Sequence[str]) -> tuple[float, ...]:
    """Weights [K] in the order of ``names``, summing to one: the recipe is held to a sum of one,
    up to the last digits, which are corrected here."""
    each = [weights[name] for name in names]
    return tuple(weight / sum(each) for weight in each)


def shared_equally(
    chosen_KB: Bool[Tensor, "teachers batch"],
) -> Float[Tensor, "teachers batch"]:
    """1/n for each of the n that are chosen for a sample, 0 for others; all 0 where none is."""
    counts_B = chosen_KB.sum(dim=0)
    return chosen_KB.to(torch.get_default_dtype()) / counts_B.clamp(min=1)
