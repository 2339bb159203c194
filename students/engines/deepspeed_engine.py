"""The engine that partitions a student over ranks with DeepSpeed's ZeRO, stages 0 to 3."""

from __future__ import annotations

import importlib
import logging
import os
import warnings
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from students.engines.autocast import InPrecision
from students.engines.deepspeed_settings import merge_settings, owned_settings
from students.engines.engine import Engine, EngineSetup
from students.engines.import_blocker import block_import
from students.engines.process_group import environment_variable, join, leave
from students.engines.state_tensors import trainable
from students.engines.zero_partitions import partitions_of
from students.errors import TrainingError


class DeepSpeedEngine(Engine):
    """Takes steps with DeepSpeed, which keeps weights, gradients and slots in pieces."""

    def __init__(self, setup: EngineSetup, deepspeed: Any) -> None:
        partitions = partitions_of(deepspeed, setup.engine.zero_stage, setup.group, _deepspeed())
        super().__init__(setup, deepspeed, deepspeed.optimizer, partitions)

    def backward(self, loss: Tensor) -> None:
        """Adds the gradients of one micro-batch."""
        self._module.backward(loss)
        if not self._module.is_gradient_accumulation_boundary():
            self._module.step()  # before the last micro-batch this only counts

    def _take_step(self) -> None:
        self._module.step()

    def close(self) -> None:
        """Leaves the group and frees DeepSpeed's buffers. May be called twice."""
        module, self._module = self._module, None
        try:
            if module is not None:
                module.destroy()
        finally:
            _leave()


def build_deepspeed(setup: EngineSetup) -> DeepSpeedEngine:
    """A DeepSpeed engine that continues from ``setup.state``.

    Raises:
        TrainingError: the ranks did not meet, or a setting is not the user's.
    """
    for path, value, reason in owned_settings(setup.engine.deepspeed):
        place = f"engine.deepspeed.{path}"
        raise TrainingError(
            f"`{place}` is {value!r}, but it is not yours to set ({reason}); take it out",
            path=place,
        )
    _quietly_import(setup.device)
    join(setup.group, setup.device)
    try:
        return DeepSpeedEngine(setup, _initialize(setup))
    except BaseException:
        _leave()
        raise


def _initialize(setup: EngineSetup) -> Any:
    """DeepSpeed's own engine around the learner."""
    settings = merge_settings(
        setup.engine.deepspeed,
        zero_stage=setup.engine.zero_stage,
        micro=setup.train.micro,
        accumulation=setup.accumulation,
        weights=sum(p.numel() for p in setup.learner.parameters()),
    )
    started, *_ = _deepspeed().initialize(
        model=InPrecision(setup.learner, setup.train.precision, setup.device.type),
        optimizer=setup.train.optimizer.build(trainable(setup.learner).values()),
        config=settings,
        dist_init_required=False,
    )
    return started


def _quietly_import(device: torch.device) -> None:
    """Imports DeepSpeed so that it neither compiles, prints nor probes the machine."""
    os.environ.setdefault("DS_ACCELERATOR", "cpu" if device.type == "cpu" else "cuda")
    os.environ.setdefault("LOCAL_SIZE", "1")  # or it starts numactl to count
    os.environ.setdefault("LOCAL_RANK", str(device.index or 0))
    warnings.filterwarnings("ignore", r"`torch\.distributed\.\w+` is deprecated", FutureWarning)
    # Imported for an autotuner that we do not use; it would take most of the time.
    with block_import("mlflow"):
        deepspeed = _deepspeed()
    # Imported at the first step of any optimizer; it compiles one that we do not offer, for which
    # importing the compiler takes longer than importing DeepSpeed itself.
    with environment_variable("TORCHDYNAMO_DISABLE", "1"), suppress(ImportError):
        importlib.import_module("deepspeed.runtime.zero.muon.original_muon")
    deepspeed.utils.logger.setLevel(logging.ERROR)
    # Compiling it takes a minute at the first start; killed on the way it blocks all later ones.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False


def _deepspeed() -> Any:
    """The module; it takes seconds to import, so only where it is used."""
    import deepspeed

    return deepspeed


def _leave() -> None:
    """Leaves the process group, in DeepSpeed's own records too."""
    if _deepspeed().comm.is_initialized():
        _deepspeed().comm.destroy_process_group()
    leave()
