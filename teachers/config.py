"""The recipe's sections ``teachers`` and ``ensemble``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from cluster.section import Reason, Section, kind_first
from students.config import EngineConfig, Epochs, Positive, Resources, Threads, TrainConfig
from students.models.catalog import ModelConfig
from students.models.config import WeightsConfig
from students.objectives.config import ObjectiveConfig
from students.objectives.cross_entropy import Task
from students.objectives.term import Temperature
from students.transfer_sets.config import Augment, Share
from teachers.ensemble.noise import Noise
from teachers.weighting.catalog import WeightingConfig
from teachers.weighting.constant import Uniform

STREAMS_PER_RANK = 3
"""Streams that one rank may have from one teacher at one time; ``teachers.client.stream`` opens
them, and a teacher's process serves ``cluster.runtime.STREAMS_PER_PROCESS``."""


class TeacherTrain(TrainConfig):
    """How a teacher is trained, in its own stage; its seed comes from its name."""

    epochs: Epochs = 15
    seed: Annotated[int, Field(ge=0)] | None = Field(  # type: ignore[assignment]
        None, description="from the recipe's seed and the teacher's name, if not said"
    )
    stop_epoch: Epochs | None = Field(
        None, description="training ends after this epoch; the learning rate follows all epochs"
    )
    augment: Augment | None = Field(None, description="the transfer set's, if not said")
    fraction: Share = Field(1.0, description="of the training samples, per class")
    objective: ObjectiveConfig = Field({"task": Task()})

    @property
    def last_epoch(self) -> int:
        """See ``TrainConfig``; an early-stopped teacher has a smaller effective capacity (Cho &
        Hariharan, 2019, arXiv:1910.01348, section 4)."""
        return self.stop_epoch or self.epochs


class TeacherConfig(Section):
    """One teacher: trained here (``train``), or loaded (``weights``)."""

    model: ModelConfig
    train: TeacherTrain | None = None
    engine: EngineConfig = EngineConfig()
    weights: WeightsConfig | None = None
    seen: Literal["train", "none"] = Field(
        "train", description="whether these weights have seen the training samples"
    )
    classes: tuple[Annotated[int, Field(ge=0)], ...] | None = Field(
        None,
        description="the transfer set's classes that its outputs stand for, in their order; all"
        " in order, if not said",
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="of its answers; auto: the fastest way that stays faithful to fp32"
    )
    gate: Literal["enforce", "warn"] = Field(
        "enforce",
        description="what a teacher that fails the parity gate does: end the run, or go"
        " on with a warning",
    )
    threads: Threads = "auto"
    replicas: Positive = 1
    resources: Resources = Resources()

    @model_validator(mode="after")
    def _made_or_loaded(self) -> TeacherConfig:
        if (self.train is None) == (self.weights is None):
            raise ValueError("must have either train (trained here) or weights (loaded)")
        return self


class Wait(Section):
    """A lost teacher is restarted and continues at the student's position: the same result."""

    kind: Literal["wait"] = "wait"


class Fail(Section):
    """A lost teacher ends the run."""

    kind: Literal["fail"] = "fail"


OnTeacherLoss = Annotated[
    Annotated[Wait | Fail, Field(discriminator="kind")], BeforeValidator(kind_first)
]


class BankConfig(Section):
    """What of the teachers' answers is stored, so that none is computed twice."""

    budget_gb: Annotated[float, Field(gt=0, le=1e6), Reason("it counts 10^9 bytes, not bytes")] = (
        Field(10, description="of the whole bank, 10^9 bytes")
    )
    top_k: Literal["none"] | Annotated[int, Field(ge=1, le=65535)] = Field(
        "none", description="the largest logits that are stored; of the others their mean"
    )
    taps: bool = Field(False, description="whether tapped layers are stored beside the logits")

    @property
    def budget(self) -> int:
        """The budget in bytes."""
        return int(self.budget_gb * 1e9)


class EnsembleConfig(Section):
    """How the answers of K teachers are combined, and what of them is stored."""

    weighting: WeightingConfig = Uniform()
    mean: Literal["arithmetic", "geometric"] = "arithmetic"
    temperature: Temperature = 4.0
    on_teacher_loss: OnTeacherLoss = Wait()
    noise: Literal["none"] | Noise = "none"
    bank: Literal["none"] | BankConfig = BankConfig()

    @property
    def top_k(self) -> int | None:
        """How many of an answer's logits the student gets exactly; None: all of them."""
        if self.bank == "none" or self.bank.top_k == "none":
            return None
        return self.bank.top_k

    @property
    def effective_noise(self) -> Noise | None:
        """The noise on the answers; None where it would change nothing."""
        if self.noise == "none" or self.noise.probability == 0 or self.noise.sigma == 0:
            return None
        return self.noise

    @property
    def is_random(self) -> bool:
        """Whether the knowledge about a sample depends on random draws."""
        return self.weighting.is_random or self.effective_noise is not None
