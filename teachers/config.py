"""The recipe's sections ``teachers`` and ``ensemble``."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from cluster.section import Section, kind_first
from students.config import EngineConfig, Resources, Threads, TrainConfig
from students.models.catalog import ModelConfig
from students.models.config import WeightsConfig
from students.objectives.config import ObjectiveConfig
from students.objectives.task import Task
from students.transfer_sets.config import Augment, Share

Positive = Annotated[int, Field(ge=1)]


class TeacherTrain(TrainConfig):
    """How a teacher is trained, in a stage of its own; its seed comes from its name."""

    epochs: Positive = 15
    seed: Annotated[int, Field(ge=0)] | None = Field(  # type: ignore[assignment]
        None, description="from the recipe's seed and the teacher's name, if not said"
    )
    augment: Augment | None = Field(None, description="the transfer set's, if not said")
    fraction: Share = Field(1.0, description="of the training samples, per class")
    objective: ObjectiveConfig = Field({"task": Task()})


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


class WeightingBase(Section):
    """What is asked of each kind of weighting before there is any tensor."""

    labelled: ClassVar[bool] = False
    """Whether it looks at the labels that the student is given."""
    drawn: ClassVar[bool] = False
    """Whether anything in it is drawn at random."""


class Uniform(WeightingBase):
    """Every teacher counts the same."""

    kind: Literal["uniform"] = "uniform"


class Fixed(WeightingBase):
    """Every teacher counts as the recipe says."""

    kind: Literal["fixed"] = "fixed"
    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(min_length=1)


class RandomChoice(WeightingBase):
    """One teacher at random, drawn anew for each sample or each micro-batch in each epoch."""

    drawn: ClassVar[bool] = True
    kind: Literal["random"] = "random"
    per: Literal["sample", "batch"] = Field("sample", description="batch: one micro-batch")
    weights: dict[str, Annotated[float, Field(ge=0)]] | None = Field(
        None, description="how likely each teacher is; all alike, if not said"
    )


class MaxEntropy(WeightingBase):
    """For each sample the teacher that is least sure."""

    kind: Literal["max_entropy"] = "max_entropy"


class MinEntropy(WeightingBase):
    """For each sample the teacher that is surest."""

    kind: Literal["min_entropy"] = "min_entropy"


class Confidence(WeightingBase):
    """By how well each teacher names the label: softmax over the teachers of minus their
    cross-entropy; unlabelled samples count all teachers the same."""

    labelled: ClassVar[bool] = True
    kind: Literal["confidence"] = "confidence"


class CorrectOnly(WeightingBase):
    """The teachers that name the label, all the same; the label itself where none does."""

    labelled: ClassVar[bool] = True
    kind: Literal["correct_only"] = "correct_only"


class Specialists(WeightingBase):
    """Teachers that know some of the classes, each where it knows."""

    kind: Literal["specialists"] = "specialists"


class Adaptive(WeightingBase):
    """By a gate that learns with the student, from a latent vector for each teacher and the
    student's pooled feature (AMTML-KD; Liu et al., 2020)."""

    kind: Literal["adaptive"] = "adaptive"
    layer: str | None = Field(
        None,
        description="the student's layer it looks at; the last before its outputs, if not said",
    )
    detached: bool = Field(
        False, description="whether the gate's gradient stops before the student's layer"
    )
    penalty: Annotated[float, Field(ge=0)] = Field(
        0.1, description="times the squares of all the gate's parameters"
    )
    learns_for: Annotated[int, Field(ge=1)] | None = Field(
        None, description="epochs, after which the gate stands still; to the end, if not said"
    )


class Noise(Section):
    """Multiplicative noise on the teachers' logits (Sau & Balasubramanian, 2016)."""

    probability: Annotated[float, Field(ge=0, le=1)] = Field(0.5, description="for each sample")
    sigma: Annotated[float, Field(ge=0)] = Field(0.1, description="standard deviation")
    virtual: Positive = Field(1, description="teachers made of one, each with its own noise")


class Wait(Section):
    """A lost teacher is restarted and goes on where the student is: the same result."""

    kind: Literal["wait"] = "wait"


class Fail(Section):
    """A lost teacher ends the run."""

    kind: Literal["fail"] = "fail"


Weighting = Annotated[
    Annotated[
        Uniform
        | Fixed
        | RandomChoice
        | MaxEntropy
        | MinEntropy
        | Confidence
        | CorrectOnly
        | Adaptive
        | Specialists,
        Field(discriminator="kind"),
    ],
    BeforeValidator(kind_first),
]
OnTeacherLoss = Annotated[
    Annotated[Wait | Fail, Field(discriminator="kind")], BeforeValidator(kind_first)
]


class BankConfig(Section):
    """What of the teachers' answers is kept, for whoever asks the same again."""

    budget_gb: Annotated[float, Field(gt=0)] = Field(
        10, description="of the whole bank, 10^9 bytes"
    )
    top_k: Literal["none"] | Annotated[int, Field(ge=1, le=65535)] = Field(
        "none", description="the largest logits that are kept; of the others their mean"
    )
    taps: bool = Field(False, description="whether tapped layers are kept beside the logits")

    @property
    def budget(self) -> int:
        """The budget in bytes."""
        return int(self.budget_gb * 1e9)


class EnsembleConfig(Section):
    """How K teachers agree, and what of their answers is kept."""

    weighting: Weighting = Uniform()
    mean: Literal["arithmetic", "geometric"] = "arithmetic"
    temperature: Annotated[float, Field(gt=0, le=1000)] = 4.0
    on_teacher_loss: OnTeacherLoss = Wait()
    noise: Literal["none"] | Noise = "none"
    bank: Literal["none"] | BankConfig = BankConfig()

    @property
    def top_k(self) -> int | None:
        """How many of an answer's logits the student gets exactly; none: all of them."""
        if self.bank == "none" or self.bank.top_k == "none":
            return None
        return self.bank.top_k

    @property
    def effective_noise(self) -> Noise | None:
        """The noise on the answers; none where it would change nothing."""
        if self.noise == "none" or self.noise.probability == 0 or self.noise.sigma == 0:
            return None
        return self.noise

    @property
    def drawn(self) -> bool:
        """Whether anything of what the student hears is drawn at random."""
        return self.weighting.drawn or self.effective_noise is not None
