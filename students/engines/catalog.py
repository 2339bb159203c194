"""The engines there are, by kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from torch import nn

from students.config import EngineConfig, TrainConfig
from students.engines.deepspeed_engine import build_deepspeed
from students.engines.engine import Engine, EngineState, Group
from students.engines.torch_engine import build_torch


class Build(Protocol):
    """Builds one kind of engine."""

    def __call__(
        self,
        engine: EngineConfig,
        train: TrainConfig,
        learner: nn.Module,
        *,
        group: Group,
        device: str,
        accumulation: int,
        state: EngineState | None,
    ) -> Engine:
        """As ``build_engine``."""
        ...


ENGINES: Mapping[str, Build] = {"deepspeed": build_deepspeed, "torch": build_torch}


def build_engine(
    engine: EngineConfig,
    train: TrainConfig,
    learner: nn.Module,
    *,
    group: Group,
    device: str = "cpu",
    accumulation: int = 1,
    state: EngineState | None = None,
) -> Engine:
    """The recipe's engine around ``learner``; this process becomes one rank of ``group``.

    The weights of ``learner`` must be the same on every rank. Close the engine, also after a
    failure; closed, it has left the group, and the process may join another.

    Raises:
        TrainingError: the ranks did not meet, or a setting is refused.
        CheckpointError: ``state`` is of another learner.
    """
    return ENGINES[engine.kind](
        engine,
        train,
        learner,
        group=group,
        device=device,
        accumulation=accumulation,
        state=state,
    )
