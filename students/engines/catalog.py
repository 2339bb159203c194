"""Builds an engine by its kind."""

from __future__ import annotations

from students.engines.deepspeed_engine import DeepSpeedEngine
from students.engines.engine import Engine, EngineSetup
from students.engines.state_tensors import load_module
from students.engines.torch_engine import TorchEngine


def build_engine(setup: EngineSetup) -> Engine:
    """The recipe's engine around the learner; this process becomes one rank of the group.

    Close the engine, also after a failure; closed, it has left the group, and the process may
    join another.

    Raises:
        TrainingError: the ranks did not meet.
        CheckpointError: ``setup.state`` is of another learner.
    """
    if setup.state is not None:
        load_module(setup.learner, setup.state.module)
    setup.learner.to(setup.device)
    return TorchEngine(setup) if setup.engine.kind == "torch" else DeepSpeedEngine(setup)
