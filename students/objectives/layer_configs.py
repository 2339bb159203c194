"""Terms that look at layers, as a recipe describes them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from cluster.section import Section
from students.objectives.layer_refs import Guided, HintLayer
from students.objectives.term_config import Layer, TermBase


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

    def taught_by(self, teacher: str) -> Self | None:
        """With the groups of this teacher, if it has any."""
        own = tuple(group for group in self.groups if group.teacher == teacher)
        return self.model_copy(update={"groups": own}) if own else None


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

    def taught_by(self, teacher: str) -> Self | None:
        """With the one vote of this teacher, if it has one."""
        own = {name: layer for name, layer in self.layers.items() if name == teacher}
        return self.model_copy(update={"layers": own}) if own else None
