"""The canonical state of an engine, and a learner's tensors under their names in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from students.errors import CheckpointError


@dataclass(frozen=True)
class EngineState:
    """What an engine continues from, by parameter name; the same for every engine.

    ``module``: parameters and buffers, full, on the CPU. ``optimizer``: for each slot
    (``momentum_buffer``, ``exp_avg``, ...) the tensors by parameter name; scalar slots
    (``step``) as tensors of shape ().
    """

    module: Mapping[str, Tensor]
    optimizer: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)


def trainable(learner: nn.Module) -> dict[str, nn.Parameter]:
    """The trainable parameters, by name; a shared one once, under its first name."""
    return {name: p for name, p in learner.named_parameters() if p.requires_grad}


def frozen(learner: nn.Module) -> dict[str, Tensor]:
    """The rest of the state: parameters that are not trained, buffers of the state dict."""
    kept = set(learner.state_dict())
    fixed: dict[str, Tensor] = {n: p for n, p in learner.named_parameters() if not p.requires_grad}
    return fixed | {name: buffer for name, buffer in learner.named_buffers() if name in kept}


def on_cpu(tensor: Tensor) -> Tensor:
    """A copy in main memory."""
    return tensor.detach().to("cpu", copy=True).contiguous()


@torch.no_grad()
def load_module(learner: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copies ``tensors`` into the learner, which must have exactly these names and shapes.

    Raises:
        CheckpointError: it has others.
    """
    own: dict[str, Tensor] = {**trainable(learner), **frozen(learner)}
    differences = list(_differences(own, tensors))
    if differences:
        raise CheckpointError(
            f"the checkpoint is of another learner ({'; '.join(differences[:3])}); "
            "remove the stage's folder, or give the model that it was made with"
        )
    for name, tensor in tensors.items():
        own[name].copy_(tensor)


def _differences(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Iterator[str]:
    for name in sorted(own.keys() - given.keys()):
        yield f"`{name}` is missing"
    for name in sorted(given.keys() - own.keys()):
        yield f"`{name}` is not part of this model"
    for name in sorted(own.keys() & given.keys()):
        if own[name].shape != given[name].shape:
            yield f"`{name}` is {tuple(given[name].shape)}, not {tuple(own[name].shape)}"
