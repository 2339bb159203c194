"""A teacher: a frozen network that answers with logits and taps."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from students.knowledge import LOGITS, Answer, Tap
from students.models.network import Network
from students.models.taps import Recorder, reduced
from students.torch_state import computing_on
from teachers.inference.answer_encoding import encode
from teachers.inference.inference_config import InferenceConfig
from teachers.inference.runnable import prepared


class Teacher:
    """Answers for one network, in evaluation mode, without gradients for its parameters.

    It is run in one ``manner``: every forward pass has that many samples, the last one filled
    up with zeros, and that many threads, since either changes the last bits of an answer.
    ``cache`` is a folder for what is compiled. A teacher that is compiled takes long over its
    first answer.
    """

    def __init__(
        self,
        network: Network,
        taps: Sequence[Tap] = (),
        *,
        inference: InferenceConfig,
        device: str = "cpu",
        cache: Path | None = None,
    ) -> None:
        self.network = network.to(device).eval().requires_grad_(False)
        self.taps = tuple(taps)
        self.inference = inference
        self.device = torch.device(device)
        layers = [tap.layer for tap in self.taps]
        self._prepared = prepared(self.network, inference, tapped=layers, cache=cache)
        self._recorder = Recorder(self._prepared.network.model, layers)

    def answer(self, inputs: Tensor) -> Answer:
        """Answers for ``inputs`` uint8 [B, channels, height, width], encoded as they are kept."""
        began = time.perf_counter()
        parts = [
            self._forward(chunk) for chunk in torch.split(inputs, self.inference.forward_batch)
        ]
        whole = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        columns = {name: encode(values) for name, values in whole.items()}
        return Answer(columns, time.perf_counter() - began)

    def _forward(self, chunk: Tensor) -> dict[str, Tensor]:
        """The columns of at most ``forward_batch`` samples."""
        count = len(chunk)
        full = self._placed(chunk)
        low = self.inference.precision == "bf16"
        bf16 = torch.autocast(self.device.type, torch.bfloat16, enabled=low)
        with computing_on(self.inference.threads), torch.inference_mode(), bf16:
            if self._prepared.together:
                logits, taps = self._observed(full)
            else:
                logits = self._prepared.run(full)
                taps = self._observed(full)[1] if self.taps else {}
        columns = {LOGITS: logits} | taps
        return {name: values[:count] for name, values in columns.items()}

    def _observed(self, full: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits and taps of one pass, the taps as they lie in memory by default."""
        with self._recorder as recorded:
            logits = self._prepared.network(full)
            taps = {tap.column: reduced(recorded[tap.layer], tap.reduction) for tap in self.taps}
        return logits, {name: values.contiguous() for name, values in taps.items()}

    def _placed(self, chunk: Tensor) -> Tensor:
        """A full forward batch, where the network is.

        To a GPU it goes from pinned memory, so that the copy does not hold up the host.
        """
        missing = self.inference.forward_batch - len(chunk)
        full = nn.functional.pad(chunk, (0, 0) * (chunk.ndim - 1) + (0, missing))
        if self.device.type == "cpu":
            return full
        return full.pin_memory().to(self.device, non_blocking=True)
