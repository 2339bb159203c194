"""A teacher: a frozen network that returns logits and taps."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Tensor, nn

from students.knowledge import LOGITS, Answer, Tap
from students.models.network import Network
from students.models.taps import find_layer, recording, reduced
from students.torch_state import use_threads
from teachers.inference.aligned import AlignedProducts
from teachers.inference.answer_encoding import encode, out_of_range, raise_if_not_numbers
from teachers.inference.inference_config import InferenceConfig
from teachers.inference.runnable import Runnable


class Teacher:
    """Runs one network in evaluation mode, without gradients for its parameters.

    Every forward pass has the ``forward_batch`` samples of the config, the last one padded with
    zeros, on its number of threads, since either changes the last bits of an answer. ``cache`` is
    a folder for compiled code; the first answer of a teacher that is compiled takes long.
    """

    def __init__(
        self,
        network: Network,
        *,
        inference: InferenceConfig,
        device: str = "cpu",
        cache: Path | None = None,
    ) -> None:
        self.network = network.to(device).eval().requires_grad_(False)
        self.inference = inference
        self.device = torch.device(device)
        self._runnable = Runnable(network, inference, cache)

    def answer(self, inputs: Tensor, taps: Sequence[Tap] = ()) -> Answer:
        """The answer with ``taps`` to ``inputs`` uint8 [B, channels, height, width], encoded.

        The bits of the logits do not depend on ``taps``.

        Raises:
            NotNumbers: a value is not a number.
            ModelError: the network does not have a layer that is tapped.
        """
        began = time.perf_counter()
        chunks = torch.split(inputs, self.inference.forward_batch)
        parts = [self._forward(chunk, taps) for chunk in chunks]
        whole = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        columns = {name: encode(values) for name, values in whole.items()}
        return Answer(columns, time.perf_counter() - began, warning=out_of_range(whole))

    def logits(self, inputs: Tensor) -> Tensor:
        """The logits [B, C] as the network returns them, float32 on the CPU, not encoded.

        Raises:
            NotNumbers: a value is not a number.
        """
        chunks = torch.split(inputs, self.inference.forward_batch)
        logits = torch.cat([self._forward(chunk, ())[LOGITS] for chunk in chunks]).float().cpu()
        raise_if_not_numbers(logits)
        return logits

    def _forward(self, chunk: Tensor, taps: Sequence[Tap]) -> dict[str, Tensor]:
        """The columns of at most ``forward_batch`` samples."""
        padded, run = self._pad(chunk), self._runnable.run
        tapped = self._runnable.network_for([tap.layer for tap in taps])
        low = self.inference.precision == "bf16"
        bf16 = torch.autocast(self.device.type, torch.bfloat16, enabled=low)
        # What is compiled has loops of its own; the check of its answers has the last word.
        aligned = nullcontext() if self.inference.compiled else AlignedProducts()  # type: ignore[no-untyped-call]
        with use_threads(self.inference.threads), torch.inference_mode(), bf16, aligned:
            columns = self._record(tapped, padded, taps) if taps else {}
            if run is not tapped or not taps:
                columns[LOGITS] = run(padded)
        return {name: values[: len(chunk)] for name, values in columns.items()}

    @staticmethod
    def _record(network: Network, padded: Tensor, taps: Sequence[Tap]) -> dict[str, Tensor]:
        """Logits and taps of one pass, the taps in the default memory layout."""
        layers = {tap.layer: find_layer(network.model, tap.layer) for tap in taps}
        with recording(layers) as recorded:
            columns = {LOGITS: network(padded)}
            for tap in taps:
                columns[tap.column] = reduced(recorded[tap.layer], tap.reduction).contiguous()
        return columns

    def _pad(self, chunk: Tensor) -> Tensor:
        """A full forward batch on the network's device.

        To a GPU it goes from pinned memory, so that the copy does not hold up the host.
        """
        missing = self.inference.forward_batch - len(chunk)
        full = nn.functional.pad(chunk, (0, 0) * (chunk.ndim - 1) + (0, missing))
        if self.device.type == "cpu":
            return full
        return full.pin_memory().to(self.device, non_blocking=True)
