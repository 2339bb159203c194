"""The engines there are, by kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import nn

from students.config import EngineConfig, TrainConfig
from students.engines.deepspeed_engine import build_deepspeed
from students.engines.engine import Engine, EngineSetup
from students.engines.group import Group
from students.engines.state_tensors import EngineState
from students.engines.torch_engine import TorchEngine

ENGINES: Mapping[str, Callable[[EngineSetup], Engine]] = {
    "deepspeed": build_deepspeed,
    "torch": TorchEngine,
}


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

    The weights of ``learner`` must be the same on every rank; ``accumulation`` is the number of
    micro-batches of this rank in one step; ``state``, of any engine, is where it goes on from.
    Close the engine, also after a failure; closed, it has left the group, and the process may
    join another.

    Raises:
        TrainingError: the ranks did not meet, or a setting is refused.
        CheckpointError: ``state`` is of another learner.
    """
    setup = EngineSetup(engine, train, learner, group, torch.device(device), accumulation, state)
    return ENGINES[engine.kind](setup)
