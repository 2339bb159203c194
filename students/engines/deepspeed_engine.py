"""The engine that spreads a student over ranks with DeepSpeed's ZeRO, stages 0 to 3."""

from __future__ import annotations

import importlib
import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, Literal

import torch
from torch import Tensor, nn

from students.config import EngineConfig, TrainConfig
from students.engines.autocast import InPrecision
from students.engines.buffer_sync import SharedBuffers
from students.engines.deepspeed_settings import merged_settings, owned_settings
from students.engines.engine import EngineState, Group, StepOutcome
from students.engines.gradient_clipping import judge, squared_norm
from students.engines.import_blocker import withheld
from students.engines.optimizers import build_optimizer, set_learning_rate
from students.engines.process_group import add_up, join, leave
from students.engines.state_tensors import frozen, learning, load_module, on_cpu
from students.engines.zero_partitions import Partitions, partitions_of
from students.errors import TrainingError

_NO_COMPILING = "TORCHDYNAMO_DISABLE"


class DeepSpeedEngine:
    """Carries out steps with DeepSpeed, which keeps weights, gradients and slots in pieces."""

    def __init__(
        self,
        learner: nn.Module,
        deepspeed: Any,
        partitions: Partitions,
        *,
        group: Group,
        device: torch.device,
        accumulation: int,
        clipping: float | Literal["none"],
    ) -> None:
        self.group = group
        self.device = device
        self._learner = learner
        self._deepspeed = deepspeed
        self._partitions = partitions
        self._accumulation = accumulation
        self._clipping = clipping
        self._backwards = 0
        self._buffers = SharedBuffers(learner, group)

    def forward(self, inputs: Tensor) -> Any:
        """The learner's outputs for one micro-batch; without gradients while evaluating."""
        with nullcontext() if self._learner.training else torch.no_grad():
            return self._deepspeed(inputs)

    def backward(self, loss: Tensor) -> None:
        """Adds the gradients of one micro-batch."""
        self._deepspeed.backward(loss)
        self._backwards += 1
        if self._backwards < self._accumulation:
            self._deepspeed.step()  # before the last micro-batch this only counts

    def step(self, learning_rate: float) -> StepOutcome:
        """One step on the mean gradients, clipped; skipped if they are not finite."""
        gradients = self._partitions.gradients()
        squared = squared_norm(gradients)
        if self._partitions.split:
            total = torch.tensor(squared, dtype=torch.float64, device=self.device)
            squared = float(add_up(total, self.group))
        verdict = judge(squared, self._clipping)
        if not verdict.finite:
            self._partitions.spoil(gradients)
        elif verdict.factor < 1:
            for gradient in gradients:
                gradient.mul_(verdict.factor)
        set_learning_rate(self._deepspeed.optimizer, learning_rate)
        self._deepspeed.step()
        self._backwards = 0
        return StepOutcome(verdict.norm, verdict.finite)

    def evaluating(self, evaluate: bool) -> None:
        """Puts the learner into evaluation mode, or back into training mode."""
        self._deepspeed.train(not evaluate)

    def sum(self, values: Tensor) -> Tensor:
        """The sum of ``values`` over the ranks, on every rank."""
        return add_up(values.detach().to(self.device, copy=True), self.group)

    def settle(self) -> None:
        """Makes all ranks' buffers equal."""
        self._buffers.settle()

    @torch.no_grad()
    def constrain(self, change: Callable[[str, Tensor], Tensor | None]) -> None:
        """Replaces each parameter for which ``change(name, value)`` gives a new value."""
        for name, parameter in learning(self._learner).items():
            changed = change(name, self._partitions.value(parameter))
            if changed is not None:
                self._partitions.set_value(parameter, changed)

    @torch.no_grad()
    def state(self) -> EngineState:
        """The full state, on the CPU, on every rank."""
        parameters = learning(self._learner)
        module = {name: on_cpu(self._partitions.value(p)) for name, p in parameters.items()}
        module |= {name: on_cpu(tensor) for name, tensor in frozen(self._learner).items()}
        slots = {
            slot: {n: on_cpu(self._partitions.slot(p, slot)) for n, p in parameters.items()}
            for slot in self._partitions.slots()
        }
        return EngineState(module, slots)

    def close(self) -> None:
        """Leaves the group and frees DeepSpeed's buffers. May be called twice."""
        deepspeed, self._deepspeed = self._deepspeed, None
        try:
            if deepspeed is not None:
                deepspeed.destroy()
        finally:
            _part()


def build_deepspeed(
    engine: EngineConfig,
    train: TrainConfig,
    learner: nn.Module,
    *,
    group: Group,
    device: str,
    accumulation: int,
    state: EngineState | None,
) -> DeepSpeedEngine:
    """A DeepSpeed engine around ``learner``, which goes on from ``state``.

    Raises:
        TrainingError: the ranks did not meet, or a setting is not the user's.
        CheckpointError: ``state`` is of another learner.
    """
    for path, value, reason in owned_settings(engine.deepspeed):
        place = f"engine.deepspeed.{path}"
        raise TrainingError(
            f"`{place}` is {value!r}, but it is not yours to set ({reason}); take it out",
            path=place,
        )
    where = torch.device(device)
    if state is not None:
        load_module(learner, state.module)
    learner.to(where)
    _quietly_import(where)
    join(group, where)
    try:
        started = _initialize(engine, train, learner, where, accumulation)
        partitions = partitions_of(started, engine.zero_stage, group, _deepspeed())
        if state is not None:
            _restore(partitions, learning(learner), state.optimizer)
    except BaseException:
        _part()
        raise
    return DeepSpeedEngine(
        learner,
        started,
        partitions,
        group=group,
        device=where,
        accumulation=accumulation,
        clipping=train.gradient_clipping,
    )


def _initialize(
    engine: EngineConfig,
    train: TrainConfig,
    learner: nn.Module,
    device: torch.device,
    accumulation: int,
) -> Any:
    settings = merged_settings(
        engine.deepspeed,
        zero_stage=engine.zero_stage,
        micro=train.micro,
        accumulation=accumulation,
        weights=sum(p.numel() for p in learner.parameters()),
    )
    started, *_ = _deepspeed().initialize(
        model=InPrecision(learner, train.precision, device.type),
        optimizer=build_optimizer(train.optimizer, learner.named_parameters()),
        config=settings,
        dist_init_required=False,
    )
    return started


@torch.no_grad()
def _restore(
    partitions: Partitions,
    parameters: Mapping[str, nn.Parameter],
    slots: Mapping[str, Mapping[str, Tensor]],
) -> None:
    """Gives the slots back that ``DeepSpeedEngine.state`` has read, from whatever engine."""
    partitions.prepare({slot: _is_count(values.values()) for slot, values in slots.items()})
    for slot, values in slots.items():
        for name, value in values.items():
            partitions.set_slot(parameters[name], slot, value)


def _is_count(values: Iterable[Tensor]) -> bool:
    return all(value.dim() == 0 for value in values)


def _quietly_import(device: torch.device) -> None:
    """Imports DeepSpeed so that it neither compiles, prints nor looks around."""
    os.environ.setdefault("DS_ACCELERATOR", "cpu" if device.type == "cpu" else "cuda")
    os.environ.setdefault("LOCAL_SIZE", "1")  # or it starts numactl to count
    os.environ.setdefault("LOCAL_RANK", str(device.index or 0))
    warnings.filterwarnings("ignore", r"`torch\.distributed\.\w+` is deprecated", FutureWarning)
    # For an autotuner that we do not use, and most of what there is to import.
    with withheld("mlflow"):
        deepspeed = _deepspeed()
    with _nothing_compiled(), suppress(ImportError):
        importlib.import_module("deepspeed.runtime.zero.muon.original_muon")
    deepspeed.utils.logger.setLevel(logging.ERROR)
    # A compile of a minute at the first start; killed in the middle it blocks all later ones.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False


def _deepspeed() -> Any:
    """The module; it takes seconds to import, so only where it is wanted."""
    import deepspeed

    return deepspeed


@contextmanager
def _nothing_compiled() -> Iterator[None]:
    """Makes ``torch.compile`` do nothing meanwhile.

    DeepSpeed decorates an optimizer with it that we do not offer, at the first step of any other
    one; to import the compiler then takes longer than to import DeepSpeed itself.
    """
    before = os.environ.get(_NO_COMPILING)
    os.environ[_NO_COMPILING] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_NO_COMPILING]
        else:
            os.environ[_NO_COMPILING] = before


def _part() -> None:
    """Leaves the process group, in DeepSpeed's books too."""
    if _deepspeed().comm.is_initialized():
        _deepspeed().comm.destroy_process_group()
    leave()
