"""What every term is: its settings in the recipe, the layers it compares, and its loss."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

from pydantic import Field

from cluster.section import Reason, Section
from students.knowledge import Batch, Knowledge, Reduction, Tap
from students.lazy_imports import Tensor
from students.objectives.softening import Mean, soften, standardized
from students.objectives.weight_schedule import Weight, weight_at

Layer = Annotated[str, Field(min_length=1)]
Temperature = Annotated[
    float,
    Field(ge=0.01, le=100),
    Reason(
        "logits are divided by it: below, a target is one class alone, as of hard_targets, and "
        "above, it tells classes apart no better than logit_l2 does"
    ),
]


@dataclass(frozen=True)
class HintLayer:
    """A teacher's layer, and what is kept of it."""

    teacher: str
    layer: str
    reduction: Reduction

    @property
    def tap(self) -> Tap:
        """The tap that the teacher returns."""
        return Tap(self.layer, self.reduction)

    @property
    def name(self) -> str:
        """Its name among all teachers' layers: ``deep/layer3:pool``."""
        return f"{self.teacher}/{self.tap.name}"


@dataclass(frozen=True)
class Guided:
    """A student's layer that a term reads: through an adapter that brings it to the shape of
    ``hint``, or, without one, as one vector per sample. ``place`` is where the recipe names it,
    within the term."""

    layer: str
    hint: HintLayer | None
    place: str = "guided"


@dataclass(frozen=True)
class LayerPair:
    """A layer of each side that a term compares: the learner's ``output``, and ``hint`` of the
    teacher that is the ``position``-th of the ensemble."""

    output: str
    hint: HintLayer
    position: int

    def of_teacher(self, knowledge: Knowledge) -> Tensor:
        """The teacher's layer [B, ...], through which no gradient runs; of samples that the
        teacher did not answer it may hold anything."""
        return knowledge.taps[self.hint.teacher][self.hint.tap.name].detach()

    def present(self, knowledge: Knowledge) -> Tensor:
        """Which samples [B] the teacher answered."""
        return knowledge.present[self.position]


@dataclass(frozen=True)
class TermContext:
    """What a loss depends on beside the term's settings and the micro-batch: the term's ``name``,
    the ``temperature`` (the term's own or the ensemble's), the ensemble's ``mean``, the ``layers``
    that the term compares, and the ``seed`` of what it draws, the student's."""

    name: str
    temperature: float
    mean: Mean
    layers: tuple[LayerPair, ...]
    seed: int


@dataclass(frozen=True, kw_only=True)
class TermInputs(TermContext):
    """One micro-batch of ``epoch`` as a term sees it. ``outputs`` are the learner's: ``logits``
    [B, C] and, by name, the guided layers [B, ...]."""

    outputs: Mapping[str, Tensor]
    batch: Batch
    knowledge: Knowledge
    epoch: int

    @property
    def logits(self) -> Tensor:
        """The student's logits [B, C]."""
        return self.outputs["logits"]

    @property
    def labels(self) -> Tensor:
        """The labels [B], -1 where there is none."""
        return self.batch.targets

    @property
    def fallback_labels(self) -> Tensor | None:
        """The classes [B] that replace the teachers' answer where none of them counts, -1
        elsewhere; none where nothing is replaced."""
        return self.knowledge.fallback_labels

    def mean_distribution(
        self, temperature: float | None = None, *, standardize: bool = False, log: bool = False
    ) -> Tensor:
        """The ensemble's distribution [B, C] or its logarithms, at the term's temperature if no
        other is given; a row of zeros (-inf) where no teacher counts.

        With ``standardize`` each teacher's row is standardised first, over the classes it covers.
        No gradient reaches a teacher; that of the weights reaches the gating network that made
        them.
        """
        logits_KBC, known_KC = self.knowledge.logits.detach(), self.knowledge.known
        if standardize:
            logits_KBC = standardized(logits_KBC, known_KC.unsqueeze(1))
        return soften(
            logits_KBC,
            self.knowledge.shares,
            known_KC,
            self.knowledge.present,
            temperature=temperature or self.temperature,
            mean=self.mean,
            log=log,
        )


class Term(Section):
    """One loss of a student's objective.

    A subclass adds ``kind``, its settings, and ``loss``. What recipe, planner and report must know
    of a kind is a class variable or a method here, never a comparison with its name.
    """

    weight: Weight = 1.0
    kind: str

    needs_teachers: ClassVar[bool] = True
    """Whether it learns from teachers' answers."""
    needs_labels: ClassVar[bool] = False
    """Whether it learns from labels."""
    needs_all_logits: ClassVar[bool] = False
    """Whether it needs each logit, not only the largest."""
    min_samples: ClassVar[int] = 1
    """Samples that a micro-batch must have."""
    skips_unlabelled: ClassVar[bool] = False
    """Whether samples without a label contribute nothing, though teachers answer them."""
    on_distributions: ClassVar[bool] = False
    """Whether it compares distributions, whose mean gradient noise on the logits shifts."""

    @abstractmethod
    def loss(self, inputs: TermInputs) -> Tensor:
        """The loss of one micro-batch without the term's weight: a scalar with a gradient."""

    @property
    def softens(self) -> bool:
        """Whether it depends on the ensemble's temperature, unless it has one of its own."""
        return False

    @property
    def smoothing(self) -> float:
        """The share of a label that is spread over all classes."""
        return 0.0

    @property
    def active(self) -> bool:
        """Whether its weight is above zero in any epoch; every schedule is monotone."""
        return any(weight_at(self.weight, epoch) > 0 for epoch in (0, sys.maxsize))

    def without_gradient(self, classes: int | None, samples: int) -> str:
        """What of it can teach nothing, and why, for so many ``classes`` (None: not known) and
        ``samples`` in a micro-batch, as the end of a sentence; empty if all of it can."""
        return ""

    def hint_layers(self) -> tuple[tuple[str, HintLayer], ...]:
        """The teachers' layers that it needs, each with its place within the term."""
        return ()

    def guided_layers(self, name: str) -> dict[str, Guided]:
        """The student's layers that it reads, by the name of the learner's output; ``name`` is
        the term's."""
        return {}

    def outputs_used(self, name: str) -> tuple[str, ...]:
        """The learner's outputs that the loss depends on."""
        return tuple(self.guided_layers(name)) or ("logits",)

    def restricted_to(self, teacher: str) -> Self | None:
        """The term as ``teacher`` alone can teach it; none where it needs layers of others."""
        alone = all(hint.teacher == teacher for _, hint in self.hint_layers())
        return self if alone else None


class SofteningTerm(Term):
    """A term that compares softened distributions."""

    on_distributions: ClassVar[bool] = True
    softens: ClassVar[bool] = True
    temperature: Temperature | None = Field(None, description="the ensemble's, if not said")


def active_terms(objective: Mapping[str, Term]) -> dict[str, Term]:
    """The terms that are active, in order of name, so that the order of lines changes no bit."""
    return {name: term for name, term in sorted(objective.items()) if term.active}


def needs_teachers(objective: Mapping[str, Term]) -> bool:
    """Whether an active term needs the teachers' answers."""
    return any(term.needs_teachers and term.active for term in objective.values())


def learns_from_teachers(terms: Iterable[Term], epoch: int) -> bool:
    """Whether a term of weight above zero in ``epoch`` learns from teachers."""
    return any(term.needs_teachers and weight_at(term.weight, epoch) > 0 for term in terms)


def taps_of(terms: Mapping[str, Term], epoch: int | None = None) -> dict[str, tuple[Tap, ...]]:
    """What each teacher, by name, returns beside its logits, in ``epoch`` or in any: each tap
    once, in order."""
    taps: dict[str, dict[Tap, None]] = {}
    for term in terms.values():
        if term.active if epoch is None else weight_at(term.weight, epoch) > 0:
            for _, hint in term.hint_layers():
                taps.setdefault(hint.teacher, {})[hint.tap] = None
    return {teacher: tuple(wanted) for teacher, wanted in taps.items()}
