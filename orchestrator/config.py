"""The whole recipe: the sections of all packages in one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from cluster.config import ClusterConfig, Timeouts
from cluster.section import Section
from students.config import StudentConfig
from students.transfer_sets.config import TransferSetConfig
from teachers.config import EnsembleConfig, TeacherConfig

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"
Name = Annotated[str, Field(pattern=NAME)]
Control = Literal["untaught", "single_teachers", "label_smoothing"]


def _offline_only(value: object) -> object:
    return value["kind"] if isinstance(value, dict) and set(value) == {"kind"} else value


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
    schedule: Annotated[Literal["offline"], BeforeValidator(_offline_only)] = "offline"
    evaluate: EvaluateConfig = EvaluateConfig()
    controls: tuple[Control, ...] = ("untaught",)
    tracking: TrackingConfig = TrackingConfig()
    cluster: ClusterConfig = ClusterConfig()
    timeouts: Timeouts = Timeouts()

    @property
    def models(self) -> dict[str, TeacherConfig | StudentConfig]:
        """The teachers and the student by place: ``teachers.wide``, ``student``."""
        teachers = {f"teachers.{name}": teacher for name, teacher in self.teachers.items()}
        return {**teachers, "student": self.student}

    @field_validator("controls")
    @classmethod
    def _each_once(cls, value: tuple[Control, ...]) -> tuple[Control, ...]:
        if len(set(value)) < len(value):
            raise ValueError("must name each control once")
        return value
