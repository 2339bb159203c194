"""What every term has in the recipe, and what is asked of it before there is any tensor."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import Field

from cluster.section import Section
from students.objectives.layer_refs import Guided, HintLayer
from students.objectives.weight_schedule import Weight, counts

Layer = Annotated[str, Field(min_length=1)]
Temperature = Annotated[float, Field(gt=0, le=1000)]


class TermBase(Section):
    """What all terms have. A term says for itself what it needs; nobody asks for its kind."""

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

    def taught_by(self, teacher: str) -> Self | None:
        """The term as ``teacher`` alone can teach it; none where it asks for layers of others."""
        alone = all(hint.teacher == teacher for _, hint in self.hints())
        return self if alone else None
