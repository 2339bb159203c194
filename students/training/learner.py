"""The learner: the student, with the modules that it needs only in training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Self

import torch
from torch import Tensor, nn

from students.models.taps import find_layer, recording
from students.objectives.teacher_gate import GATE, PENALTY, Gate

LOGITS = "logits"
OWN = (LOGITS, GATE, PENALTY)
"""Outputs of the learner under fixed names, which no term may have."""


class Learner(nn.Module):
    """The one module that an engine trains: preprocessing, student, adapters, gating network.

    Adapters and gating network run inside ``forward``, since under ZeRO-3 parameters are whole
    only while their module runs. In the state dict the student's weights are ``model.*``, an
    adapter's ``adapters.TERM.*``, the gating network's ``gate.*``; a term's name that cannot be
    a module's (it has a dot, or ``nn.ModuleDict`` uses it itself) is percent-encoded there.
    ``model`` carries no hooks outside ``forward``, so it can be exported as it is.

    With ``channels_last`` pictures have that memory layout, and all features follow: on the CPU
    a convolution then need not rearrange its inputs and outputs. The model alone decides it, so
    that every engine and every rank computes the same bits; weights stay contiguous everywhere.

    A ``frozen`` layer stays as it is: its parameters get no gradient, so no optimizer has them, and
    it is in evaluation mode always, so batch normalisation keeps its statistics and nothing is
    dropped inside it.
    """

    def __init__(
        self,
        preprocess: nn.Module,
        model: nn.Module,
        guided: Mapping[str, tuple[str, nn.Module]] | None = None,
        *,
        gate: Gate | None = None,
        channels_last: bool = False,
        frozen: Iterable[str] = (),
    ) -> None:
        """``guided``: for each hint term the student's layer and its adapter; ``gate``: computes
        the teachers' weights, if the student weights them itself; ``frozen``: layers by name.

        Raises:
            ModelError: a layer that ``model`` does not have.
        """
        super().__init__()
        self.preprocess = preprocess
        self.model = model
        guided = guided or {}
        self.adapters = nn.ModuleDict(
            {module_name(term): adapter for term, (_, adapter) in guided.items()}
        )
        self._guided = {term: layer for term, (layer, _) in guided.items()}
        self._channels_last = channels_last
        self.gate = gate
        layers = [*self._guided.values(), *([] if gate is None else [gate.layer])]
        self._layers = {layer: find_layer(model, layer) for layer in layers}
        self._frozen = tuple(find_layer(model, layer) for layer in frozen)
        for layer in self._frozen:
            layer.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """Sets the mode of all modules; frozen layers are in evaluation mode in both."""
        super().train(mode)
        for layer in self._frozen:
            layer.eval()
        return self

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        """Of views [B, channels, height, width] (uint8): ``logits`` [B, C], under each
        hint term's name the adapted guided layer [B, ...], and with a gating network ``gate``
        [B, K], its scores, and ``gate.penalty``, the sum of its parameters' squares."""
        if self._channels_last:
            # Converted as bytes: as floats four times as much would be moved. A clone, for pictures
            # of one channel count as both layouts, and torch would keep the contiguous one.
            inputs = inputs.clone(memory_format=torch.channels_last)
        with recording(self._layers) as recorded:
            outputs = {LOGITS: self.model(self.preprocess(inputs))}
            for term, layer in self._guided.items():
                outputs[term] = self.adapters[module_name(term)](recorded[layer])
            if self.gate is not None:
                outputs[GATE], outputs[PENALTY] = self.gate(recorded[self.gate.layer])
        return outputs


def module_name(term: str) -> str:
    """The term's name as a valid name of a sub-module; different terms get different names."""
    encoded = term.replace("%", "%25").replace(".", "%2E")
    if hasattr(nn.ModuleDict(), encoded):
        return f"%{ord(encoded[0]):02X}{encoded[1:]}"
    return encoded
