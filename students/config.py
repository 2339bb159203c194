"""The recipe's section ``student`` without its model and objective: how it is trained."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from cluster.section import Reason, Section
from students.lr_schedule import Cosine, LrSchedule
from students.models.catalog import ModelConfig
from students.models.config import OptionalWeights
from students.objectives.config import ObjectiveConfig
from students.optimizers import Optimizer, Sgd

Positive = Annotated[int, Field(ge=1)]
Threads = Literal["auto"] | Annotated[int, Field(ge=1, le=1024)]


Epochs = Annotated[int, Field(ge=1, le=100_000), Reason("an epoch is all samples, not a step")]


class Resources(Section):
    """What a role occupies on its machine; changes where it runs, and no bit of its result."""

    cpus: Annotated[float, Field(gt=0)] | None = Field(None, description="as many as threads")
    gpus: Annotated[float, Field(ge=0)] = 0.0


class CheckpointConfig(Section):
    """When a checkpoint is committed, and how many stay."""

    every: Literal["epoch"] | Positive = Field("epoch", description="epoch, or steps")
    keep: Positive = 2


_Clipping = Annotated[
    float, Field(ge=1e-5), Reason("no gradient gets longer than that, so nothing would be learned")
]
_Norm = Annotated[float, Field(ge=1e-3), Reason("the weights into a unit get no longer than that")]


class TrainConfig(Section):
    """How a student is trained. ``batch_size`` = ranks x accumulation x ``micro_batch_size``."""

    epochs: Epochs = 60
    batch_size: Positive = 64
    micro_batch_size: Positive | None = Field(None, description="the batch size, if not given")
    threads: Threads = "auto"
    seed: Annotated[int, Field(ge=0)] = 0
    precision: Literal["fp32", "bf16"] = "fp32"
    optimizer: Optimizer = Sgd()
    lr_schedule: LrSchedule = Cosine()
    gradient_clipping: _Clipping | Literal["none"] = 1.0
    max_norm: _Norm | Literal["none"] = Field(
        "none", description="largest norm of the weights into one unit (Hinton et al., 2012)"
    )
    checkpoint: CheckpointConfig = CheckpointConfig()

    @property
    def micro(self) -> int:
        """Samples in one micro-batch."""
        return self.micro_batch_size or self.batch_size

    @property
    def last_epoch(self) -> int:
        """The number of epochs that are trained; the learning rate follows all ``epochs``."""
        return self.epochs


class EngineConfig(Section):
    """The engine and its number of ranks; a student's result does not depend on them."""

    kind: Literal["deepspeed", "torch"] = "deepspeed"
    ranks: Positive = 1
    zero_stage: Literal[0, 1, 2, 3] = 1
    deepspeed: dict[str, Any] = Field({}, description="the user's own DeepSpeed settings")


class StudentConfig(Section):
    """The section ``student``."""

    model: ModelConfig
    weights: OptionalWeights = "none"
    objective: ObjectiveConfig
    train: TrainConfig = TrainConfig()
    engine: EngineConfig = EngineConfig()
    resources: Resources = Resources()
