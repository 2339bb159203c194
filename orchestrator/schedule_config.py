"""The recipe's section ``schedule``: in which stages the student comes to be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator

from cluster.section import Section, kind_first
from students.config import EngineConfig, Positive, StudentConfig, TrainConfig
from students.models.catalog import ModelConfig
from students.objectives.config import ObjectiveConfig

TaughtBy = Annotated[
    Literal["previous", "all"],
    Field(description="the model before alone, or with it all teachers and models before that"),
]


class EntryTrain(TrainConfig):
    """How an intermediate model is trained."""

    seed: Annotated[int, Field(ge=0)] | None = Field(  # type: ignore[assignment]
        None,
        description="if not said, from the recipe's seed, the model and its teachers; a first "
        "stage has the student's",
    )


class Entry(Section):
    """An intermediate model; ``train``, ``objective`` and ``engine`` are the student's where they
    are not given."""

    model: ModelConfig
    train: EntryTrain | None = None
    objective: ObjectiveConfig | None = None
    engine: EngineConfig | None = None

    def completed(self, student: StudentConfig) -> StudentConfig:
        """The model as a student of its own, with what it does not say from ``student``."""
        return student.model_copy(update={"weights": "none", **_given(self)})


class FirstStage(Section):
    """How the student is trained in the first of two stages; each of these is the student's where
    it is not given."""

    objective: ObjectiveConfig | None = None
    train: EntryTrain | None = None
    engine: EngineConfig | None = None

    def completed(self, student: StudentConfig) -> StudentConfig:
        """The student as its first stage trains it."""
        return student.model_copy(update=_given(self))


def _given(section: Section) -> dict[str, Any]:
    return {name: given for name, given in dict(section).items() if given is not None}


def _model_alone(value: Any) -> Any:
    """Reads the short form of an entry: a model."""
    is_entry = not isinstance(value, (str, dict)) or (isinstance(value, dict) and "model" in value)
    return value if is_entry else {"model": value}


Entries = tuple[Annotated[Entry, BeforeValidator(_model_alone)], ...]


class Offline(Section):
    """The teachers teach the student."""

    kind: Literal["offline"] = "offline"
    is_open: ClassVar[bool] = False
    entries: ClassVar[dict[str, Entry]] = {}
    names: ClassVar[tuple[str, ...]] = ()
    taught_by: ClassVar[str] = "all"


class TwoStage(Section):
    """The student in two stages, such as hints first (FitNets: Romero et al., 2015,
    arXiv:1412.6550, section 2.2); the second starts from the weights of the first."""

    kind: Literal["two_stage"] = "two_stage"
    first: FirstStage
    freeze: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (), description="layers that stay as they are in the second stage"
    )
    is_open: ClassVar[bool] = False
    entries: ClassVar[dict[str, Entry]] = {}
    names: ClassVar[tuple[str, ...]] = ("first_stage",)
    taught_by: ClassVar[str] = "teachers"

    @field_validator("freeze")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("must name each layer once")
        return value


class Assistants(Section):
    """Teacher assistants between teachers and student (TAKD: Mirzadeh et al., 2020,
    arXiv:1902.03393, section 3)."""

    kind: Literal["assistants"] = "assistants"
    path: Literal["auto"] | Entries = Field(
        (), description="the assistants, the first of which the teachers teach"
    )
    candidates: Entries = Field((), description="with `path: auto`: one of them is taken")
    taught_by: TaughtBy = "previous"

    @property
    def is_open(self) -> bool:
        """Whether the assistant is still to be chosen."""
        return self.path == "auto"

    @property
    def entries(self) -> dict[str, Entry]:
        """The intermediate models, or those of which one is taken, by their places."""
        place, entries = "path", self.path
        if entries == "auto":
            place, entries = "candidates", self.candidates
        return {f"schedule.{place}.{number}": entry for number, entry in enumerate(entries)}

    @property
    def names(self) -> tuple[str, ...]:
        """The stages before the student's, without candidates."""
        count = 1 if self.is_open else len(self.path)
        return tuple(f"assistants.{number}" for number in range(1, count + 1))


class BornAgain(Section):
    """The student's own model again and again, each generation taught by the one before (BAN:
    Furlanello et al., 2018, arXiv:1805.04770, section 3)."""

    kind: Literal["born_again"] = "born_again"
    generations: Positive = Field(2, description="the last of them is the student")
    taught_by: TaughtBy = "previous"
    is_open: ClassVar[bool] = False
    entries: ClassVar[dict[str, Entry]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The stages before the student's."""
        return tuple(f"generations.{number}" for number in range(1, self.generations))


class Route(Section):
    """The student follows a teacher's training: anchors, the teacher at the end of chosen epochs,
    teach it one at a time, and each stage starts from the weights of the one before (RCO: Jin et
    al., 2019, arXiv:1904.09149, section 3). Optimizer and learning-rate schedule begin again in
    each stage."""

    kind: Literal["route"] = "route"
    anchors: Positive | Literal["greedy"] | None = Field(
        None,
        description="how many, evenly over the teacher's epochs; 3 without `epochs`; greedy: each "
        "is chosen once the student has been taught by the one before",
    )
    epochs: Annotated[tuple[Positive, ...], Field(min_length=1)] | None = Field(
        None, description="those after which the teacher is an anchor, the first one is 1"
    )
    threshold: Annotated[float, Field(gt=0.0)] = Field(
        0.3, description="with greedy: how far the student may be from the next anchor, in nats"
    )
    teacher: str | None = Field(None, description="needed where there are several")
    is_open: ClassVar[bool] = False
    entries: ClassVar[dict[str, Entry]] = {}
    taught_by: ClassVar[str] = "teachers"

    @property
    def names(self) -> tuple[str, ...]:
        """The stages before the student's, as far as they are known."""
        return tuple(f"route.{number}" for number in range(1, self.count))

    @property
    def is_greedy(self) -> bool:
        """Whether the anchors are still to be chosen."""
        return self.anchors == "greedy" and self.epochs is None

    @property
    def count(self) -> int:
        """How many anchors there are; two that are certain, where they are to be chosen."""
        if self.epochs is not None:
            return len(self.epochs)
        return 2 if self.anchors == "greedy" else self.anchors or 3

    def teacher_of(self, names: Iterable[str]) -> str:
        """Which of the recipe's teachers it is."""
        return next(iter(names)) if self.teacher is None else self.teacher

    def anchor_epochs(self, trained: int) -> tuple[int, ...]:
        """After which epochs a teacher that is trained for so many is an anchor; evenly, the last
        one is the finished teacher."""
        return _evenly(self.count, trained) if self.epochs is None else self.epochs

    def candidate_epochs(self, trained: int) -> tuple[int, ...]:
        """Those among which anchors are chosen: all, or 20 of more."""
        return _evenly(min(_MOST_CANDIDATES, trained), trained)


_MOST_CANDIDATES = 20
"""Each is stored with the teacher."""


def _evenly(count: int, last: int) -> tuple[int, ...]:
    """So many of the numbers up to ``last``, which is the last of them; rounded half up."""
    return tuple((2 * number * last + count) // (2 * count) for number in range(1, count + 1))


Schedule = Annotated[
    Annotated[Offline | TwoStage | Assistants | BornAgain | Route, Field(discriminator="kind")],
    BeforeValidator(kind_first),
]
