"""What relation terms have in common: both sides' vectors of the samples that count."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from students.lazy_imports import Tensor
from students.objectives.layer_refs import Guided, HintLayer
from students.objectives.softening import soften_one
from students.objectives.term import Layer, Term, TermInputs


class RelationTerm(Term):
    """A term that compares the samples of a micro-batch with one another.

    With ``teacher``, ``hint`` and ``guided``, of a layer of each side; without any of the three,
    of the student's distribution and the ensemble's, both at the ensemble's temperature.
    """

    teacher: str | None = None
    hint: Layer | None = None
    guided: Layer | None = None

    @model_validator(mode="after")
    def _all_or_none(self) -> Self:
        given = [each is not None for each in (self.teacher, self.hint, self.guided)]
        if any(given) and not all(given):
            raise ValueError(
                "must have `teacher`, `hint` and `guided`, or none of the three; add what is "
                "missing or take the others out"
            )
        return self

    @property
    def softens(self) -> bool:
        """Only of outputs."""
        return self.guided is None

    def hint_layers(self) -> tuple[tuple[str, HintLayer], ...]:
        """The teacher's layer, if it is of layers."""
        if self.teacher is None or self.hint is None:
            return ()
        return (("hint", HintLayer(self.teacher, self.hint, "embedding")),)

    def guided_layers(self, name: str) -> dict[str, Guided]:
        """The student's layer, if it is of layers."""
        return {} if self.guided is None else {name: Guided(self.guided, None)}

    def compared(self, inputs: TermInputs) -> tuple[Tensor, Tensor]:
        """The student's vectors [N, F] and the teachers' [N, F'] of the same N samples.

        Of layers, the samples that the teacher answered. Of outputs, those for which the ensemble
        has a distribution: some teacher is present with a weight above zero, and no fallback label
        replaces it. Where a gating network makes the weights, its gradient runs through the
        distribution.

        Source: AMTML-KD (Liu, Zhang & Wang, 2020) compares "student outputs" with the ensemble's
        distribution q. Its released code puts the student's *log* probabilities beside q, so that
        a student that agrees with q still has a loss; here both sides are probabilities, and it
        has none.
        """
        if inputs.layers:
            (pair,) = inputs.layers
            present = pair.present(inputs.knowledge)
            return inputs.outputs[pair.output][present], pair.of_teacher(inputs.knowledge)[present]
        target = inputs.mean_distribution()
        answered = target.detach().sum(dim=1) > 0
        if inputs.fallback_labels is not None:
            answered = answered & (inputs.fallback_labels < 0)
        return soften_one(inputs.logits, inputs.temperature)[answered], target[answered]
