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
    """What is measured beside the plain figures."""

    prior_correction: Literal["none", "uniform"] = "none"


class TrackingConfig(Section):
    """Where MLflow finds what happened."""

    uri: str | None = Field(None, description="sqlite in the home folder, if not said")
    experiment: str | None = Field(None, description="the recipe's name, if not said")
    every: Annotated[int, Field(ge=1)] = Field(50, description="steps one logged mean covers")


class Recipe(Section):
    """A recipe, complete. A file holds the differences from the defaults."""

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

    @field_validator("controls")
    @classmethod
    def _each_once(cls, value: tuple[Control, ...]) -> tuple[Control, ...]:
        if len(set(value)) < len(value):
            raise ValueError("must name each control once")
        return value
