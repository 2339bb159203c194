"""A teacher: a frozen network that answers with logits and taps."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from students.knowledge import Answer, Tap
from students.network import Network
from students.taps import Recorder, reduced
from students.threads import computing_on
from teachers.encoding import encoded
from teachers.manner import Manner


class Teacher:
    """Answers for one network, in evaluation mode, without gradients for its parameters.

    It is run in one ``manner``: every forward pass has that many samples, the last one filled
    up with zeros, and that many threads, since either changes the last bits of an answer.
    """

    def __init__(
        self,
        network: Network,
        taps: Sequence[Tap] = (),
        *,
        manner: Manner,
        device: str = "cpu",
    ) -> None:
        self.network = network.to(device).eval().requires_grad_(False)
        self.taps = tuple(taps)
        self.manner = manner
        self.device = torch.device(device)
        self._recorder = Recorder(self.network.model, [tap.layer for tap in self.taps])

    def answer(self, inputs: Tensor) -> Answer:
        """Answers for ``inputs`` uint8 [B, channels, height, width], encoded as they are kept."""
        began = time.perf_counter()
        parts = [self._forward(chunk) for chunk in torch.split(inputs, self.manner.forward_batch)]
        whole = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        logits = encoded(whole.pop(""))
        taps = {name: encoded(values) for name, values in whole.items()}
        return Answer(logits, taps, time.perf_counter() - began)

    def _forward(self, chunk: Tensor) -> dict[str, Tensor]:
        """Logits (under the empty name) and taps of at most ``forward_batch`` samples."""
        count, missing = len(chunk), self.manner.forward_batch - len(chunk)
        full = nn.functional.pad(chunk, (0, 0) * (chunk.ndim - 1) + (0, missing))
        low = self.manner.precision == "bf16"
        bf16 = torch.autocast(self.device.type, torch.bfloat16, enabled=low)
        frozen = torch.inference_mode()
        with computing_on(self.manner.threads), frozen, bf16, self._recorder as recorded:
            logits = self.network(full.to(self.device))
            answers = {
                tap.name: reduced(recorded[tap.layer], tap.reduction)[:count] for tap in self.taps
            }
        return {"": logits[:count], **answers}
