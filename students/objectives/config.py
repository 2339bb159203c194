"""The recipe's section ``objective``: terms by name, each with a weight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from students.objectives.layer_configs import (
    Hint,
    MultiGroupHint,
    RelationAngle,
    RelationDistance,
    TripletOrder,
)
from students.objectives.term_config import Temperature, TermBase


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

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.target == self.others == 0:
            raise ValueError("must have `target` or `others` above 0; take the term out if not")
        return self


class Correlation(Softening):
    """One minus the correlation with the ensemble's distribution, over the classes of each sample
    and over the samples of each class (DIST; Huang et al., 2022)."""

    fewest: ClassVar[int] = 2
    whole: ClassVar[bool] = True
    kind: Literal["correlation"] = "correlation"
    between: Annotated[float, Field(ge=0)] = Field(2.0, description="weight over the classes")
    within: Annotated[float, Field(ge=0)] = Field(2.0, description="weight over the samples")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.between == self.within == 0:
            raise ValueError("must have `between` or `within` above 0; take the term out if not")
        return self


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


def taught_by_one(objective: Mapping[str, AnyTerm], teacher: str) -> dict[str, AnyTerm]:
    """The objective as ``teacher`` alone can teach it, without what asks for others' layers."""
    alone = {name: term.taught_by(teacher) for name, term in objective.items()}
    return {name: term for name, term in alone.items() if term is not None}
