"""Layers of a network by name: finds them, records their outputs, probes their shapes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from students.errors import ModelError, first_line
from students.knowledge import Reduction
from students.models.network import evaluating

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

_PROBE_BATCH = 2


def find_layer(model: nn.Module, name: str, *, place: str = "layer") -> nn.Module:
    """The sub-module of that name (``layer3``, ``hidden.0``).

    Raises:
        ModelError: there is none; the message has the most similar names and ``place``.
    """
    layers: dict[str, nn.Module] = dict(model.named_modules())
    if name and name in layers:
        return layers[name]
    names = [layer for layer in layers if layer]
    nearest = get_close_matches(name, names, n=3, cutoff=0.4) or names[:3]
    remedy = f"name one that it has, such as {_listed(nearest)}" if names else "take it out"
    raise ModelError(
        f"`{place}` is {name!r}, which is not a layer of {type(model).__name__}; {remedy}.",
        path=place,
    )


class Recorded(dict[str, Tensor]):
    """The outputs of layers in one forward pass, by name."""

    def __missing__(self, layer: str) -> Tensor:
        raise ModelError(
            f"`layer` is {layer!r}, which was not run in this forward pass; name a layer that is."
        )


class Recorder:
    """Records the outputs of ``layers`` of ``model`` while its context is open.

    The hooks exist while the context does, so a model that is exported or copied has none, and
    the record is cleared at the end. They run after hooks that an engine has set before, so a
    recorded tensor is the one that the engine prepared for the backward pass. A layer that runs
    several times leaves its last output.

    Raises:
        ModelError: a layer that ``model`` does not have, or one that gives no tensor.
    """

    def __init__(self, model: nn.Module, layers: Iterable[str]) -> None:
        self._layers = {name: find_layer(model, name) for name in layers}
        self._recorded = Recorded()
        self._hooks: list[RemovableHandle] = []

    def __enter__(self) -> Recorded:
        self._recorded = Recorded()
        self._hooks = [
            layer.register_forward_hook(partial(self._record, name))
            for name, layer in self._layers.items()
        ]
        return self._recorded

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        self._recorded.clear()

    def _record(self, name: str, layer: nn.Module, inputs: Any, output: Any) -> None:
        if not isinstance(output, Tensor):
            raise ModelError(
                f"`layer` is {name!r}, which gives a {type(output).__name__} and not a tensor; "
                "name a layer inside it or after it."
            )
        # A copy, since a ReLU that follows may work in place and change what was recorded.
        self._recorded[name] = output.clone()


def reduced(tensor: Tensor, reduction: Reduction) -> Tensor:
    """A layer's output [B, ...] as a tap keeps it: all of it, or one vector per sample.

    Raises:
        ModelError: as ``reduced_shape`` does.
    """
    shape = reduced_shape(tuple(tensor.shape[1:]), reduction)
    if shape == tuple(tensor.shape[1:]):
        return tensor
    return tensor.mean(dim=(2, 3) if tensor.ndim == 4 else 1)


def reduced_shape(
    shape: tuple[int, ...], reduction: Reduction, *, place: str = "reduction"
) -> tuple[int, ...]:
    """The shape per sample after ``reduction`` of a layer of ``shape`` per sample.

    Raises:
        ModelError: ``pool`` of something that is not (C, H, W): it would do nothing, or
            average over what is not a position; ``embedding`` of more than positions in a plane.
    """
    if reduction == "none":
        return shape
    if reduction == "embedding":
        return _embedded(shape, place)
    if len(shape) != 3:
        raise ModelError(
            f"`{place}` is 'pool', which averages the positions of a layer of shape (C, H, W), "
            f"but this layer's shape is {shape}; leave `reduction` out.",
            path=place,
        )
    return shape[:1]


def _embedded(shape: tuple[int, ...], place: str) -> tuple[int, ...]:
    match shape:
        case (_, _, _) | (_,):
            return shape[:1]
        case (_, width):
            return (width,)
        case _:
            raise ModelError(
                f"`{place}` is a layer of shape {shape}, of which no vector can be made; name a "
                "layer of shape (C, H, W), (L, D) or (D).",
                path=place,
            )


def probe_shapes(
    model: nn.Module,
    input_shape: Sequence[int],
    layers: Iterable[str],
    *,
    place: str = "layer",
    dtype: torch.dtype = torch.float32,
) -> dict[str, tuple[int, ...]]:
    """The shape per sample of each layer's output for inputs of ``input_shape``.

    Runs one forward pass in evaluation mode on the meta device: nothing is computed, weights
    may be missing (a model on the meta device) and stay where they are.

    Raises:
        ModelError: a layer that is not there, does not run or gives no tensor; a model that
            cannot take such inputs.
    """
    names = list(dict.fromkeys(layers))
    for name in names:
        find_layer(model, name, place=place)
    inputs = torch.empty((_PROBE_BATCH, *input_shape), dtype=dtype, device="meta")
    state = {name: _on_meta(value) for name, value in _state_of(model).items()}
    with (
        Recorder(model, names) as recorded,
        evaluating(model),
        torch.no_grad(),
        torch.device("meta"),
    ):
        try:
            functional_call(model, state, (inputs,))
        except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
            raise _cannot_take(model, input_shape, error) from error
        idle = [name for name in names if name not in recorded]
        if idle:
            raise _does_not_run(model, idle[0], place)
        return {name: tuple(recorded[name].shape[1:]) for name in names}


def _state_of(model: nn.Module) -> Mapping[str, Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def _on_meta(value: Tensor) -> Tensor:
    return torch.empty_like(value, device="meta", requires_grad=False)


def _cannot_take(model: nn.Module, shape: Sequence[int], error: Exception) -> ModelError:
    size = "x".join(str(length) for length in shape)
    reason = first_line(error).rstrip(".")
    return ModelError(
        f"`model` is {type(model).__name__}, which cannot take inputs of {size} ({reason}); "
        "give it a larger preprocessing size, or fewer layers that shrink the picture.",
        path="model",
    )


def _does_not_run(model: nn.Module, name: str, place: str) -> ModelError:
    inside = [layer for layer in dict(model.named_modules()) if layer.startswith(f"{name}.")]
    remedy = f"name one inside it, such as {_listed(inside[:3])}" if inside else "name another"
    return ModelError(
        f"`{place}` is {name!r}, which {type(model).__name__} does not run in evaluation mode, "
        f"so that it gives nothing; {remedy}.",
        path=place,
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)
