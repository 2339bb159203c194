"""The protocol of an engine, which takes a student's optimizer steps, and its canonical state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    # For annotations alone: a recipe is planned and checked without torch.
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Group:
    """The processes that train one student together; this one is ``rank`` of ``ranks``."""

    rank: int = 0
    ranks: int = 1
    address: str = "127.0.0.1"
    port: int = 0
    timeout_seconds: float = 300.0


@dataclass(frozen=True)
class StepResult:
    """What one optimizer step did. ``finite`` is false when it was skipped."""

    gradient_norm: float
    finite: bool


@dataclass(frozen=True)
class EngineState:
    """Everything an engine must remember, by parameter name, whatever the engine.

    ``module``: parameters and buffers, full, on the CPU. ``optimizer``: for each slot
    (``momentum_buffer``, ``exp_avg``, ...) the tensors by parameter name; scalar slots
    (``step``) as tensors of shape ().
    """

    module: Mapping[str, Tensor]
    optimizer: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)


class Engine(Protocol):
    """Takes the optimizer steps of one learner on the ranks of one group.

    All methods but ``forward`` and ``backward`` are collective: every rank calls them
    in the same order.
    """

    group: Group
    device: torch.device

    def forward(self, inputs: Tensor) -> Any:
        """The learner's outputs for one micro-batch, under the recipe's precision."""
        ...

    def backward(self, loss: Tensor) -> None:
        """Adds the gradients of one micro-batch, divided by all micro-batches of the step."""
        ...

    def step(self, learning_rate: float) -> StepResult:
        """One optimizer step on the accumulated gradients, clipped; skipped if not finite."""
        ...

    def evaluating(self) -> AbstractContextManager[None]:
        """Keeps the learner in evaluation mode, without gradients, inside the context."""
        ...

    def sum(self, values: Tensor) -> Tensor:
        """The sum of ``values`` over the ranks, on every rank."""
        ...

    def sync_buffers(self) -> None:
        """Makes all ranks' buffers equal: floating-point ones averaged, counts added up."""
        ...

    def constrain(self, change: Callable[[str, Tensor], Tensor | None]) -> None:
        """Replaces each parameter for which ``change(name, value)`` gives a new value."""
        ...

    def state(self) -> EngineState:
        """The full state; on ranks other than 0 it may be empty."""
        ...

    def close(self) -> None:
        """Leaves the group and frees what the engine holds. May be called twice."""
        ...
