"""A network made ready to run with one inference config: laid out, folded, compiled."""

from __future__ import annotations

import copy
import inspect
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from students.models.network import Network
from teachers.inference.inference_config import InferenceConfig

_CANNOT_TRACE = (
    RuntimeError, TypeError, ValueError, AttributeError, KeyError, IndexError, AssertionError,
)  # fmt: skip
"""What following a model's code raises where its way depends on what it computes."""


class Runnable:
    """``network`` under one inference config: ``run`` gives its logits, [B, C].

    A copy is made where one is needed. How the logits are computed does not depend on the layers
    that are read beside them: their bits are the same for every student.
    """

    def __init__(self, network: Network, inference: InferenceConfig, cache: Path | None) -> None:
        self._network = network
        self._inference = inference
        self._folded: tuple[str, ...] = ()
        self._own = network
        if inference.channels_last or inference.folded or inference.compiled:
            self._own = copy.deepcopy(network)
            self._folded = fold(self._own.model) if inference.folded else ()
            self._lay_out(self._own)
        own = self._own
        self.run: Callable[[Tensor], Tensor] = _compile(own, cache) if inference.compiled else own

    def network_for(self, layers: Iterable[str]) -> Network:
        """The network whose ``layers`` have the outputs of the original: the one that is run,
        unless it is compiled or a layer among them was folded."""
        return self._unfolded if set(self._folded) & set(layers) else self._own

    @cached_property
    def _unfolded(self) -> Network:
        copied = copy.deepcopy(self._network)
        self._lay_out(copied)
        return copied

    def _lay_out(self, network: Network) -> None:
        if self._inference.channels_last:
            network.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def fold(model: nn.Module) -> tuple[str, ...]:
    """Folds, in place, each batch normalisation that alone reads one convolution.

    With weight w, running mean m, variance v, scale g, shift b: the convolution's weight becomes
    w g / sqrt(v + eps), its bias (bias - m) g / sqrt(v + eps) + b, and the normalisation an
    identity, so that its output is what it was. Returns the names of the convolutions, whose own
    outputs changed; none where the model's way cannot be followed.
    """
    modules = dict(model.named_modules())
    pairs = _pairs(model, modules)
    for conv_name, norm_name in pairs:
        conv, norm = modules[conv_name], modules[norm_name]
        assert isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
        # Their tensors may be absent where this is none of their settings: torch takes that.
        found: Any = (norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias)
        conv.weight, conv.bias = fuse_conv_bn_weights(conv.weight, conv.bias, *found)
        parent, _, own = norm_name.rpartition(".")
        setattr(model.get_submodule(parent), own, nn.Identity())
    return tuple(conv_name for conv_name, _ in pairs)


def _pairs(model: nn.Module, modules: dict[str, nn.Module]) -> list[tuple[str, str]]:
    """Convolutions and the normalisations that follow them, each run once, by name."""
    try:
        graph = fx.Tracer().trace(model)
    except _CANNOT_TRACE:
        return []
    calls = [node for node in graph.nodes if node.op == "call_module"]
    runs = Counter(modules[str(node.target)] for node in calls)
    pairs = []
    for node in calls:
        before = next(iter(node.args), None)
        if not isinstance(before, fx.Node) or before not in calls or len(before.users) > 1:
            continue
        conv, norm = modules[str(before.target)], modules[str(node.target)]
        if type(conv) is not nn.Conv2d or type(norm) is not nn.BatchNorm2d:
            continue
        if runs[conv] == runs[norm] == 1 and norm.running_mean is not None:
            pairs.append((str(before.target), str(node.target)))
    return pairs


def can_compile(device: torch.device) -> bool:
    """Whether this machine has what compiling needs: a C++ compiler, or a GPU's own."""
    if device.type != "cpu":
        return sys.platform == "linux"
    named = os.environ.get("CXX")
    return any(shutil.which(name) for name in (named, "g++", "clang++") if name)


def _compile(network: nn.Module, cache: Path | None) -> Callable[[Tensor], Tensor]:
    """``network``, compiled at its first call, which takes seconds to minutes.

    To be called without gradients, always with one shape and on as many threads. Generated code
    is stored in ``cache``, since torch's default, in the folder for temporary files, may be
    another user's. On a CPU weights are laid out once for that code (`freezing`).
    """
    if cache is not None:
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache / "compiled"))
    # In this process: a pool of compilers would outlive the role that asked for it.
    options: dict[str, str | int | bool | Callable[..., object]] = {"compile_threads": 1}
    if not next(network.parameters()).is_cuda:
        options["freezing"] = True
    # Whole or not at all: a part that quietly ran uncompiled would give other bits. Where torch
    # can, it is counted apart from other networks of the same class, of which there is a limit.
    apart: dict[str, Any] = {"isolate_recompiles": True}
    if not apart.keys() <= inspect.signature(torch.compile).parameters.keys():
        apart = {}
    result: Callable[[Tensor], Tensor] = torch.compile(
        network, fullgraph=True, dynamic=False, options=options, **apart
    )
    return result
