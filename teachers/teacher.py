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

FORWARD_BATCH = 64
"""Samples in every forward pass. One shape gives one set of bits, whoever asks and however
many at a time; it is part of a teacher's fingerprint, so it is no setting."""


class Teacher:
    """Answers for one network, in evaluation mode, without gradients for its parameters.

    Every forward pass has ``FORWARD_BATCH`` samples, the last one filled up with zeros, and
    runs on ``threads`` threads, since either changes the last bits of an answer.
    """

    def __init__(
        self,
        network: Network,
        taps: Sequence[Tap] = (),
        *,
        precision: str = "fp32",
        threads: int = 1,
        device: str = "cpu",
    ) -> None:
        self.network = network.to(device).eval().requires_grad_(False)
        self.taps = tuple(taps)
        self.precision = precision
        self.threads = threads
        self.device = torch.device(device)
        self._recorder = Recorder(self.network.model, [tap.layer for tap in self.taps])

    def answer(self, inputs: Tensor) -> Answer:
        """Answers for ``inputs`` uint8 [B, channels, height, width], encoded as they are kept."""
        began = time.perf_counter()
        parts = [self._forward(chunk) for chunk in torch.split(inputs, FORWARD_BATCH)]
        whole = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        logits = encoded(whole.pop(""))
        taps = {name: encoded(values) for name, values in whole.items()}
        return Answer(logits, taps, time.perf_counter() - began)

    def _forward(self, chunk: Tensor) -> dict[str, Tensor]:
        """Logits (under the empty name) and taps of at most ``FORWARD_BATCH`` samples."""
        count = len(chunk)
        full = nn.functional.pad(chunk, (0, 0) * (chunk.ndim - 1) + (0, FORWARD_BATCH - count))
        bf16 = torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")
        frozen = torch.inference_mode()
        with computing_on(self.threads), frozen, bf16, self._recorder as recorded:
            logits = self.network(full.to(self.device))
            answers = {
                tap.name: reduced(recorded[tap.layer], tap.reduction)[:count] for tap in self.taps
            }
        return {"": logits[:count], **answers}
