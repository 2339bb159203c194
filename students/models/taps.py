"""Layers of a network by name: finds them, records their outputs, probes their shapes."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from cluster.errors import first_line
from students.errors import ModelError
from students.knowledge import Reduction
from students.models.network import evaluating


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
    listed = ", ".join(map(repr, nearest))
    remedy = f"name one that it has, such as {listed}" if names else "take it out"
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


@contextmanager
def recording(layers: Mapping[str, nn.Module]) -> Iterator[Recorded]:
    """Records the outputs of ``layers``, by name, while the context is open.

    The hooks exist while the context does, so a model that is exported or copied has none, and
    the record is cleared at the end. They run after hooks that an engine has set before, so a
    recorded tensor is the one that the engine prepared for the backward pass. A layer that runs
    several times leaves its last output.

    Raises:
        ModelError: a layer gives no tensor.
    """
    recorded = Recorded()

    def record(name: str, layer: nn.Module, inputs: Any, output: Any) -> None:
        if not isinstance(output, Tensor):
            raise ModelError(
                f"`layer` is {name!r}, which gives a {type(output).__name__} and not a tensor; "
                "name a layer inside it or after it."
            )
        # A copy, since a ReLU that follows may work in place and change what was recorded.
        recorded[name] = output.clone()

    hooks = [layer.register_forward_hook(partial(record, name)) for name, layer in layers.items()]
    try:
        yield recorded
    finally:
        for hook in hooks:
            hook.remove()
        recorded.clear()


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
    if len(shape) == 3:
        return shape[:1]
    if reduction == "embedding" and len(shape) in (1, 2):
        return shape[-1:]
    problem = (
        "'pool', which averages the positions of a layer of shape (C, H, W), but this layer's shape"
        f" is {shape}; leave `reduction` out."
        if reduction == "pool"
        else f"a layer of shape {shape}, of which no vector can be made; name a layer of shape"
        " (C, H, W), (L, D) or (D)."
    )
    raise ModelError(f"`{place}` is {problem}", path=place)


def probe_shapes(
    model: nn.Module,
    input_shape: Sequence[int],
    layers: Iterable[str],
    *,
    place: str = "layer",
) -> dict[str, tuple[int, ...]]:
    """The shape per sample of each layer's output for inputs of ``input_shape``.

    Runs one forward pass in evaluation mode on the meta device, where nothing is computed; on the
    CPU, with zeros as weights, where the model needs values. Weights may be missing (a model on the
    meta device) and stay where they are.

    Raises:
        ModelError: a layer that is not there, does not run or gives no tensor; a model that
            cannot take such inputs.
    """
    found = {name: find_layer(model, name, place=place) for name in layers}
    if not found:
        return {}
    with recording(found) as recorded, evaluating(model), torch.no_grad():
        try:
            _run_without_weights(model, input_shape)
        except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
            size, reason = "x".join(map(str, input_shape)), first_line(error).rstrip(".")
            raise ModelError(
                f"`model` is {type(model).__name__}, which cannot take inputs of {size} "
                f"({reason}); give it a larger preprocessing size, or fewer layers that shrink the "
                "picture.",
                path="model",
            ) from error
        for name in found:
            if name not in recorded:
                raise _does_not_run(model, name, place)
        return {name: tuple(recorded[name].shape[1:]) for name in found}


def fixed_layers(
    model: nn.Module, input_shape: Sequence[int], layers: Iterable[str], frozen: Iterable[str]
) -> set[str]:
    """Those of ``layers`` whose output depends on no parameter outside the layers ``frozen``.

    Runs as ``probe_shapes`` does, for layers that this has found.
    """
    found = {name: find_layer(model, name) for name in layers}
    inside = tuple(f"{name}." for name in frozen)
    trained = {name for name, _ in model.named_parameters() if not name.startswith(inside)}
    with recording(found) as recorded, evaluating(model), torch.enable_grad():
        _run_without_weights(model, input_shape, trained)
        return {name for name in found if not recorded[name].requires_grad}


def _run_without_weights(
    model: nn.Module, input_shape: Sequence[int], trained: Container[str] = ()
) -> None:
    """Gradients are recorded for the parameters ``trained``, by name."""

    def run(device: str) -> None:
        state = {
            name: torch.zeros_like(value, device=device, requires_grad=name in trained)
            for name, value in (*model.named_parameters(), *model.named_buffers())
        }
        with torch.device(device):
            functional_call(model, state, (torch.zeros(2, *input_shape),))

    with suppress(Exception):
        run("meta")
        return
    run("cpu")


def _does_not_run(model: nn.Module, name: str, place: str) -> ModelError:
    inside = [layer for layer, _ in model.named_modules() if layer.startswith(f"{name}.")]
    listed = ", ".join(map(repr, inside[:3]))
    remedy = f"name one inside it, such as {listed}" if inside else "name another"
    return ModelError(
        f"`{place}` is {name!r}, which {type(model).__name__} does not run in evaluation mode, "
        f"so that it gives nothing; {remedy}.",
        path=place,
    )
