"""The recipe's section ``objective``: terms by name, each with a weight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from cluster.section import Section
from students.objectives.layers import Guided, HintLayer
from students.objectives.weight import Weight, counts

Layer = Annotated[str, Field(min_length=1)]
Temperature = Annotated[float, Field(gt=0, le=1000)]


class TermBase(Section):
    """What all terms have, and what is asked of them before there is any tensor."""

    weight: Weight = 1.0

    taught: ClassVar[bool] = True
    """Whether it learns from teachers' answers."""
    labelled: ClassVar[bool] = False
    """Whether it learns from labels."""
    whole: ClassVar[bool] = False
    """Whether it needs each logit, not only the largest."""
    fewest: ClassVar[int] = 1
    """Samples that a micro-batch must have."""

    @property
    def softens(self) -> bool:
        """Whether the ensemble's temperature counts, if it has none of its own."""
        return False

    @property
    def counts(self) -> bool:
        """Whether its weight is above zero in any epoch."""
        return counts(self.weight)

    def hints(self) -> tuple[tuple[str, HintLayer], ...]:
        """The teachers' layers that it asks for, each with its place within the term."""
        return ()

    def guides(self, name: str) -> dict[str, Guided]:
        """The student's layers that it looks at, by the name of what the learner gives; ``name``
        is the term's."""
        return {}


class Task(TermBase):
    """Cross-entropy with the labels; samples without a label do not count."""

    taught: ClassVar[bool] = False
    labelled: ClassVar[bool] = True
    kind: Literal["task"] = "task"
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0


class VirtualTeacher(TermBase):
    """KL from a teacher that is a formula: the label with ``probability``, the rest spread evenly
    (Tf-KD, regularisation; Yuan et al., 2020)."""

    taught: ClassVar[bool] = False
    labelled: ClassVar[bool] = True
    kind: Literal["virtual_teacher"] = "virtual_teacher"
    probability: Annotated[float, Field(gt=0, lt=1)] = 0.99
    temperature: Temperature = Field(20.0, description="of the virtual teacher")
    student: Literal["plain", "softened"] = Field(
        "plain", description="plain: at temperature 1, as released; softened: as printed"
    )


class Softening(TermBase):
    """A term that compares softened distributions."""

    temperature: Temperature | None = Field(None, description="the ensemble's, if not said")

    @property
    def softens(self) -> bool:
        """Always."""
        return True


class SoftTargets(Softening):
    """KL from the ensemble's softened distribution to the student's, times T squared."""

    kind: Literal["soft_targets"] = "soft_targets"
    standardize: bool = Field(
        False, description="each row of logits to mean 0 and deviation 1 before it is softened"
    )


class Conditional(Softening):
    """Soft targets where the ensemble names the label, else the label (Meng et al., 2019)."""

    labelled: ClassVar[bool] = True
    kind: Literal["conditional"] = "conditional"


class Decoupled(Softening):
    """Soft targets in two parts: the label's class against all others, and the others among
    themselves (DKD; Zhao et al., 2022)."""

    labelled: ClassVar[bool] = True
    whole: ClassVar[bool] = True
    kind: Literal["decoupled"] = "decoupled"
    target: Annotated[float, Field(ge=0)] = Field(1.0, description="weight of the label's class")
    others: Annotated[float, Field(ge=0)] = Field(8.0, description="weight of all others")


class Correlation(Softening):
    """One minus the correlation with the ensemble's distribution, over the classes of each sample
    and over the samples of each class (DIST; Huang et al., 2022)."""

    fewest: ClassVar[int] = 2
    whole: ClassVar[bool] = True
    kind: Literal["correlation"] = "correlation"
    between: Annotated[float, Field(ge=0)] = Field(2.0, description="weight over the classes")
    within: Annotated[float, Field(ge=0)] = Field(2.0, description="weight over the samples")


class HardTargets(TermBase):
    """Cross-entropy with the class that the ensemble names (Bucila et al., 2006)."""

    kind: Literal["hard_targets"] = "hard_targets"


class LogitL2(TermBase):
    """Half the squared distance between the student's logits and the teachers' mean logits."""

    whole: ClassVar[bool] = True
    kind: Literal["logit_l2"] = "logit_l2"


class ProbabilityL2(TermBase):
    """Squared distance between the student's distribution and the ensemble's, at temperature 1."""

    kind: Literal["probability_l2"] = "probability_l2"


class Hint(TermBase):
    """A student's layer, through an adapter, against a teacher's layer (FitNets)."""

    kind: Literal["hint"] = "hint"
    teacher: str = Field(min_length=1)
    hint: Layer = Field(description="the teacher's layer, named as the module is")
    guided: Layer = Field(description="the student's layer")
    reduction: Literal["none", "pool"] = Field(
        "none", description="pool: the teacher's layer averaged over its positions"
    )

    def hints(self) -> tuple[tuple[str, HintLayer], ...]:
        """The one layer."""
        return (("hint", HintLayer(self.teacher, self.hint, self.reduction)),)

    def guides(self, name: str) -> dict[str, Guided]:
        """The one layer, adapted."""
        return {name: Guided(self.guided, self.hints()[0][1])}


class HintGroup(Section):
    """Which teacher's which layer teaches which of the student's layers."""

    teacher: str = Field(min_length=1)
    hint: Layer
    guided: Layer


class MultiGroupHint(TermBase):
    """Several levels, each taught by a teacher of its own: adapted layers against teachers'
    layers, both of length 1 over their channels (AMTML-KD; Liu et al., 2020)."""

    kind: Literal["multi_group_hint"] = "multi_group_hint"
    groups: tuple[HintGroup, ...] = Field(min_length=1)

    def hints(self) -> tuple[tuple[str, HintLayer], ...]:
        """One layer for each group."""
        return tuple(
            (f"groups.{place}.hint", HintLayer(group.teacher, group.hint, "none"))
            for place, group in enumerate(self.groups)
        )

    def guides(self, name: str) -> dict[str, Guided]:
        """One layer for each group, adapted."""
        return {
            f"{name}#{place}": Guided(group.guided, hint, f"groups.{place}.guided")
            for place, (group, (_, hint)) in enumerate(zip(self.groups, self.hints(), strict=True))
        }


class Relation(TermBase):
    """A term that compares how the samples of a micro-batch lie to one another.

    With ``teacher``, ``hint`` and ``guided`` of a layer of each side; without any of the three
    of the student's distribution and the ensemble's, both at the ensemble's temperature.
    """

    teacher: str | None = None
    hint: Layer | None = None
    guided: Layer | None = None

    @model_validator(mode="after")
    def _all_or_none(self) -> Relation:
        said = [each is not None for each in (self.teacher, self.hint, self.guided)]
        if any(said) and not all(said):
            raise ValueError(
                "must have `teacher`, `hint` and `guided`, or none of the three; add what is "
                "missing or take the others out"
            )
        return self

    @property
    def softens(self) -> bool:
        """Only of outputs."""
        return self.guided is None

    def hints(self) -> tuple[tuple[str, HintLayer], ...]:
        """The teacher's layer, if it is of layers."""
        if self.teacher is None or self.hint is None:
            return ()
        return (("hint", HintLayer(self.teacher, self.hint, "embedding")),)

    def guides(self, name: str) -> dict[str, Guided]:
        """The student's layer, if it is of layers."""
        return {} if self.guided is None else {name: Guided(self.guided, None)}


class RelationDistance(Relation):
    """Distances between samples, in units of their mean (RKD-D; Park et al., 2019)."""

    fewest: ClassVar[int] = 2
    kind: Literal["relation_distance"] = "relation_distance"


class RelationAngle(Relation):
    """Angles between three samples (RKD-A; Park et al., 2019)."""

    fewest: ClassVar[int] = 3
    kind: Literal["relation_angle"] = "relation_angle"


class TripletOrder(TermBase):
    """Which of two samples is nearer to a third, as the majority of teachers sees it: our reading
    of You et al. (2017), whose constants we do not have."""

    fewest: ClassVar[int] = 3
    kind: Literal["triplet_order"] = "triplet_order"
    layers: dict[str, Layer] = Field(
        min_length=1, description="the layer of each teacher that has a vote"
    )
    guided: Layer
    margin: Annotated[float, Field(ge=0)] = 0.2
    triplets: Annotated[int, Field(ge=1)] = Field(256, description="most in one micro-batch")

    def hints(self) -> tuple[tuple[str, HintLayer], ...]:
        """A layer of each teacher that has a vote."""
        return tuple(
            (f"layers.{teacher}", HintLayer(teacher, layer, "embedding"))
            for teacher, layer in self.layers.items()
        )

    def guides(self, name: str) -> dict[str, Guided]:
        """The student's layer."""
        return {name: Guided(self.guided, None)}


AnyTerm = (
    Task | SoftTargets | HardTargets | LogitL2 | ProbabilityL2 | Conditional | Decoupled
    | Correlation | VirtualTeacher | Hint | MultiGroupHint | RelationDistance | RelationAngle
    | TripletOrder
)  # fmt: skip
TermConfig = Annotated[AnyTerm, Field(discriminator="kind")]

TERM_KINDS = tuple(each.model_fields["kind"].default for each in AnyTerm.__args__)


def _name_is_the_kind(value: Any) -> Any:
    """Lets ``soft_targets: {weight: 0.9}`` stand for ``{kind: soft_targets, weight: 0.9}``."""
    if not isinstance(value, Mapping):
        return value
    return {name: _with_kind(name, term) for name, term in value.items() if term is not None}


def _with_kind(name: str, term: Any) -> Any:
    if isinstance(term, (int, float)) and not isinstance(term, bool):
        term = {"weight": term}
    if not isinstance(term, Mapping):
        return term
    if "kind" not in term and name in TERM_KINDS:
        term = {"kind": name, **term}
    # What a validator has seen counts as Python's own, and there a list is strictly no tuple.
    return {key: tuple(each) if isinstance(each, list) else each for key, each in term.items()}


ObjectiveConfig = Annotated[dict[str, TermConfig], BeforeValidator(_name_is_the_kind)]
