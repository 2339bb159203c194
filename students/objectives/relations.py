"""The relation terms: distances and angles between samples, against a layer or the ensemble.

B batch, F features, V vertices of one part.
"""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from students.lazy_imports import Float, Tensor, functional, torch
from students.objectives.geometry import directions, distances, mean_distance
from students.objectives.softening import at_least_single, soften_one
from students.objectives.term import Guided, HintLayer, Layer, Term, TermInputs

MOST_ELEMENTS = 2**22
"""Of the largest tensor of one part (16 MiB in float32): larger batches are computed in parts."""

SAME = 1e-4
"""Samples nearer than this, in units of their mean distance, are one point: between the two
passes of one sample lies rounding alone, whose direction means nothing and whose gradient is
the reciprocal of its length."""


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
        if len({each is None for each in (self.teacher, self.hint, self.guided)}) == 2:
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


def relation_distance_loss(
    student: Float[Tensor, "batch student_features"],
    teacher: Float[Tensor, "batch teacher_features"],
) -> Float[Tensor, ""]:
    """Huber (delta 1) of the two sides' relative distances, summed over ordered pairs, over B^2.

    psi(i, j) = ||x_i - x_j|| / mu with mu the mean over the pairs of two different samples, each
    side its own (released code leaves pairs that are 0 apart out of mu, which differs only where
    rows are equal). At least 0, and 0 where one side is the other moved, turned and scaled. The
    mean is over all B^2 entries, the diagonal among them, as in the released code: times B/(B-1)
    it is the mean over distinct pairs (golden case: 0.0707144 against 0.0942858). Where all rows
    of a side are equal its distances are 0. Fewer than two samples have no relation: loss 0.
    Source: Park, Kim, Lu & Cho (2019), equations 4 to 6.
    """
    relative = _relative(at_least_single(student))
    count = relative.shape[0]
    total = functional.huber_loss(relative, _relative(at_least_single(teacher)), reduction="sum")
    return total / max(count**2, 1)


def _relative(vectors: Float[Tensor, "batch features"]) -> Float[Tensor, "batch batch"]:
    apart = distances(vectors)
    mu = mean_distance(apart)
    return apart / torch.where(mu > 0, mu, 1.0)


class RelationDistance(RelationTerm):
    """Distances between samples, in units of their mean (RKD-D; Park et al., 2019)."""

    min_samples: ClassVar[int] = 2
    kind: Literal["relation_distance"] = "relation_distance"

    def without_gradient(self, classes: int | None, samples: int) -> str:
        """All of it, for two samples: their one distance is its own mean."""
        if samples != 2:
            return ""
        return (
            "has no gradient, since the one distance between two samples of a micro-batch is its "
            "own mean; make micro_batch_size larger"
        )

    def loss(self, inputs: TermInputs) -> Tensor:
        """``relation_distance_loss`` of the samples that count."""
        return relation_distance_loss(*self.compared(inputs))


def relation_angle_loss(
    student: Float[Tensor, "batch student_features"],
    teacher: Float[Tensor, "batch teacher_features"],
) -> Float[Tensor, ""]:
    """Huber (delta 1) of the two sides' cosines, summed over ordered triples, over B^3.

    cos(i; j, k) = <e_ij, e_ik> at the vertex i, with e_ij the direction from x_i to x_j. At least
    0, and 0 where one side is the other moved, turned and scaled. The mean is over all B^3
    entries as in the released code; B^2/((B-1)(B-2)) times it is the mean over distinct triples,
    unless rows are equal (golden case: 0.0731571 against 0.1950857). Between equal rows there is
    no direction: their cosines are 0. With fewer than three samples all agrees: loss 0.
    Time grows as B^3 F; memory is bounded, since large batches come in parts of some vertices
    each, which are computed again on the way back.
    Source: Park, Kim, Lu & Cho (2019), equations 7 and 8.
    """
    pair = at_least_single(student), at_least_single(teacher)
    count = student.shape[0]
    widest = max(count, student.shape[1], teacher.shape[1])
    part = max(MOST_ELEMENTS // max(count * widest, 1), 1)
    if part >= count:
        return _part(*pair, slice(None)) / max(count**3, 1)
    checkpoint = torch.utils.checkpoint.checkpoint
    parts = [
        checkpoint(
            _part, *pair, slice(start, start + part), use_reentrant=False, preserve_rng_state=False
        )
        for start in range(0, count, part)
    ]
    return torch.stack(parts).sum() / count**3


def _part(student: Tensor, teacher: Tensor, vertices: slice) -> Tensor:
    """The sum over the triples with these vertices."""
    return functional.huber_loss(
        _cosines(student, vertices), _cosines(teacher, vertices), reduction="sum"
    )


def _cosines(
    vectors: Float[Tensor, "batch features"], vertices: slice
) -> Float[Tensor, "vertices batch batch"]:
    same = SAME * mean_distance(distances(vectors.detach()))
    away_VBF = vectors.unsqueeze(0) - vectors[vertices].unsqueeze(1)
    directions_VBF = directions(away_VBF, dim=2, shortest=same)
    return directions_VBF @ directions_VBF.transpose(1, 2)


class RelationAngle(RelationTerm):
    """Angles between three samples (RKD-A; Park et al., 2019)."""

    min_samples: ClassVar[int] = 3
    kind: Literal["relation_angle"] = "relation_angle"

    def without_gradient(self, classes: int | None, samples: int) -> str:
        """All of it, for distributions over two classes: they lie on one line."""
        if self.guided is not None or classes != 2:
            return ""
        return (
            "has no gradient, since distributions over two classes lie on a line, where every "
            "angle is 0 or 180 degrees; give it layers, or choose relation_distance"
        )

    def loss(self, inputs: TermInputs) -> Tensor:
        """``relation_angle_loss`` of the samples that count."""
        return relation_angle_loss(*self.compared(inputs))
