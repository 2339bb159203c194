"""The learner: the student together with what it needs only while it learns."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from students.models.taps import Recorder
from students.objectives.teacher_gate import GATE, PENALTY, Gate

LOGITS = "logits"
OWN = (LOGITS, GATE, PENALTY)
"""What the learner gives under names of its own, which no term may have."""


class Learner(nn.Module):
    """The one module that an engine trains: preprocessing, the student, its adapters, its gate.

    Adapters and gate run inside ``forward``, since under ZeRO-3 parameters are whole only while
    their module runs. In the state dict the student's weights are ``model.*``, an adapter's
    ``adapters.TERM.*``, the gate's ``gate.*``; a term whose name is no module's name (it has a
    dot, or is one that ``nn.ModuleDict`` uses itself) is spelt with per cent signs there.
    ``model`` carries no hooks outside ``forward``, so it can be exported as it is.

    With ``channels_last`` pictures are laid out so in memory, and all features follow: on the
    CPU a convolution then need not rearrange its inputs and outputs. It is decided here and by
    the model alone, so that every engine and every rank computes the same bits; weights stay
    contiguous everywhere.
    """

    def __init__(
        self,
        preprocess: nn.Module,
        model: nn.Module,
        guided: Mapping[str, str] | None = None,
        adapters: Mapping[str, nn.Module] | None = None,
        *,
        gate: Gate | None = None,
        channels_last: bool = False,
    ) -> None:
        """``guided``: the student's layer by hint term; ``adapters``: one for each such term;
        ``gate``: weighs the teachers, if the student does so itself.

        Raises:
            ValueError: ``guided`` and ``adapters`` do not name the same terms.
            ModelError: a layer that ``model`` does not have.
        """
        super().__init__()
        guided, adapters = guided or {}, adapters or {}
        if set(guided) != set(adapters) or not guided.keys().isdisjoint(OWN):
            raise ValueError(
                f"`adapters` are for {sorted(adapters)} and `guided` for {sorted(guided)}; give "
                f"one adapter for each guided layer, and call no term any of {OWN}."
            )
        self.preprocess = preprocess
        self.model = model
        self.adapters = nn.ModuleDict({module_name(term): adapters[term] for term in guided})
        self._guided = dict(guided)
        self._channels_last = channels_last
        self.gate = gate
        layers = [*guided.values(), *([] if gate is None else [gate.layer])]
        self._recorder = Recorder(model, dict.fromkeys(layers))

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        """Of views [B, channels, height, width] (uint8): ``logits`` [B, C], under each
        hint term's name the adapted guided layer [B, ...], and of a gate ``gate`` [B, K], its
        scores, and ``gate.penalty``, the sum of its parameters' squares."""
        if self._channels_last:
            # While they are bytes, a quarter of what would have to be moved afterwards. A clone,
            # for pictures of one channel pass for both layouts, and torch then takes the other.
            inputs = inputs.clone(memory_format=torch.channels_last)
        with self._recorder as recorded:
            outputs = {LOGITS: self.model(self.preprocess(inputs))}
            for term, layer in self._guided.items():
                outputs[term] = self.adapters[module_name(term)](recorded[layer])
            if self.gate is not None:
                outputs[GATE], outputs[PENALTY] = self.gate(recorded[self.gate.layer])
        return outputs


def module_name(term: str) -> str:
    """The term's name as a sub-module may be called; different terms get different names.

    Raises:
        ValueError: the name is empty.
    """
    if not term:
        raise ValueError("`term` is '', which names nothing; give the term a name.")
    spelt = term.replace("%", "%25").replace(".", "%2E")
    if hasattr(nn.ModuleDict(), spelt):
        return f"%{ord(spelt[0]):02X}{spelt[1:]}"
    return spelt
