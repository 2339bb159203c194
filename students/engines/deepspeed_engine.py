"""The engine that partitions a student over ranks with DeepSpeed's ZeRO, stages 0 to 3."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.abc import MetaPathFinder
from typing import Any

import torch
from torch import Tensor

from students.engines.deepspeed_settings import merge_settings
from students.engines.engine import Engine, EngineSetup, InPrecision
from students.engines.process_group import environment_variable, join, leave
from students.engines.state_tensors import trainable
from students.engines.zero_partitions import partitions_of


class DeepSpeedEngine(Engine):
    """Takes steps with DeepSpeed, which keeps weights, gradients and slots in pieces.

    Raises:
        TrainingError: the ranks did not meet.
    """

    def __init__(self, setup: EngineSetup) -> None:
        _quietly_import(setup.device)
        join(setup.group, setup.device)
        try:
            module, stage = _initialize(setup), setup.engine.zero_stage
            partitions = partitions_of(module, stage, setup.group, _deepspeed())
            super().__init__(setup, module, module.optimizer, partitions)
        except BaseException:
            _leave()
            raise

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
        model=InPrecision(setup),
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


@contextmanager
def block_import(package: str) -> Iterator[None]:
    """Makes ``import package`` fail on this thread inside the context.

    Other threads find the package, and what has imported it already keeps it.
    """
    thread = threading.get_ident()

    class Blocker(MetaPathFinder):
        def find_spec(self, name: str, path: Any, target: Any = None) -> None:
            if name == package and threading.get_ident() == thread:
                raise ModuleNotFoundError(f"the import of `{name}` is blocked here", name=name)

    finder = Blocker()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def _deepspeed() -> Any:
    """The module; it takes seconds to import, so only where it is used."""
    import deepspeed

    return deepspeed


def _leave() -> None:
    """Leaves the process group, in DeepSpeed's own records too."""
    if _deepspeed().comm.is_initialized():
        _deepspeed().comm.destroy_process_group()
    leave()
