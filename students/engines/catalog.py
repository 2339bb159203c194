"""The engines there are, by kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from students.engines.deepspeed_engine import build_deepspeed
from students.engines.engine import Engine, EngineSetup
from students.engines.torch_engine import TorchEngine

ENGINES: Mapping[str, Callable[[EngineSetup], Engine]] = {
    "deepspeed": build_deepspeed,
    "torch": TorchEngine,
}


def build_engine(setup: EngineSetup) -> Engine:
    """The recipe's engine around the learner; this process becomes one rank of the group.

    Close the engine, also after a failure; closed, it has left the group, and the process may
    join another.

    Raises:
        TrainingError: the ranks did not meet, or a setting is refused.
        CheckpointError: ``setup.state`` is of another learner.
    """
    return ENGINES[setup.engine.kind](setup)
