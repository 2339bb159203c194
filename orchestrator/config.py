"""The whole recipe: the sections of all packages in one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from cluster.config import ClusterConfig, Timeouts
from cluster.section import Section
from orchestrator.schedule_config import Offline, Schedule, TwoStage
from search.config import SearchConfig
from students.config import StudentConfig
from students.objectives.term import Term
from students.transfer_sets.config import TransferSetConfig
from teachers.config import EnsembleConfig, TeacherConfig

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"
Name = Annotated[str, Field(pattern=NAME)]
Control = Literal["untaught", "single_teachers", "label_smoothing", "direct"]

FIRST_STAGE = "schedule.first"
"""Where the recipe has the first of two stages."""


class EvaluateConfig(Section):
    """Figures measured in addition to the plain ones."""

    prior_correction: Literal["none", "uniform"] = "none"


class TrackingConfig(Section):
    """Where and how often metrics are sent to MLflow."""

    uri: str | None = Field(None, description="default: sqlite in the home folder")
    experiment: str | None = Field(None, description="default: the recipe's name")
    every: Annotated[int, Field(ge=1)] = Field(50, description="steps that one logged mean covers")


class Recipe(Section):
    """A complete recipe. A file contains the differences from the defaults."""

    name: Name
    seed: Annotated[int, Field(ge=0)] = 7
    transfer_set: TransferSetConfig
    teachers: dict[Name, TeacherConfig] = Field({})
    ensemble: EnsembleConfig = EnsembleConfig()
    student: StudentConfig
    schedule: Schedule = Offline()
    evaluate: EvaluateConfig = EvaluateConfig()
    controls: tuple[Control, ...] = ("untaught",)
    search: SearchConfig | None = None
    tracking: TrackingConfig = TrackingConfig()
    cluster: ClusterConfig = ClusterConfig()
    timeouts: Timeouts = Timeouts()

    @property
    def models(self) -> dict[str, TeacherConfig | StudentConfig]:
        """All models by their places: ``teachers.wide``, ``schedule.path.0``, ``student``."""
        teachers = {f"teachers.{name}": teacher for name, teacher in self.teachers.items()}
        taught = {place: each for place, each in self.taught.items() if place != FIRST_STAGE}
        return {**teachers, **taught}

    @property
    def taught(self) -> dict[str, StudentConfig]:
        """The models that others teach, by their places, in order; the student is the last. Its
        first stage, if it has one, is ``schedule.first``; candidates for one assistant are all
        there."""
        schedule = self.schedule
        before = {place: entry.completed(self.student) for place, entry in schedule.entries.items()}
        if isinstance(schedule, TwoStage):
            before[FIRST_STAGE] = schedule.first.completed(self.student)
        return {**before, "student": self.student}

    @property
    def taught_terms(self) -> tuple[Term, ...]:
        """The terms of all models that others teach."""
        return tuple(term for config in self.taught.values() for term in config.objective.values())

    @property
    def uses_teachers(self) -> bool:
        """Whether an active term needs the teachers' answers."""
        return any(term.needs_teachers and term.active for term in self.taught_terms)

    @field_validator("controls")
    @classmethod
    def _each_once(cls, value: tuple[Control, ...]) -> tuple[Control, ...]:
        if len(set(value)) < len(value):
            raise ValueError("must name each control once")
        return value
