"""Measures a network: parameters, multiplications, bytes, latency."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from students.models.config import Shape
from students.models.network import evaluating

_BATCHES = (1, 64)
_SECONDS = 0.2
_WARM_UP = 2


@dataclass(frozen=True)
class Costs:
    """``parameters`` of a network; ``macs``, multiplications with additions for one sample;
    ``bytes`` of parameters and buffers as stored."""

    parameters: int
    macs: int
    bytes: int


def costs(network: nn.Module, input_shape: Shape) -> Costs:
    """Size and arithmetic of ``network`` for one uint8 picture of ``input_shape``.

    ``macs`` are half of the floating-point operations of its convolutions and matrix products, as
    PyTorch counts them; normalisation, activation and preprocessing do not count. Works on the meta
    device too. The network is left in the mode it was in.
    """
    sample = _pictures(network, (1, *input_shape))
    counter = FlopCounterMode(display=False)
    with evaluating(network), torch.no_grad(), _plain_attention(), counter:
        network(sample)
    stored = network.state_dict().values()
    return Costs(
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        macs=counter.get_total_flops() // 2,
        bytes=sum(tensor.numel() * tensor.element_size() for tensor in stored),
    )


@dataclass(frozen=True)
class MeasuredLatency:
    """Median ``milliseconds`` per sample, by batch size, "1" and "64". ``cpu_share``: CPU time of
    this thread by the time that passed; less than one where others had the core."""

    milliseconds: Mapping[str, float]
    cpu_share: float


def measure_latency(
    network: nn.Module, input_shape: Shape, *, seconds: float = _SECONDS
) -> MeasuredLatency:
    """The latency of ``network`` on black pictures of ``input_shape``, with the threads torch has
    now.

    Spends about ``seconds`` on each batch size after a short warm-up, and at least one forward pass
    however long that takes. The network is left in the mode it was in.
    """
    times = {}
    began, used = time.perf_counter(), time.thread_time()
    with evaluating(network), torch.inference_mode():
        for batch in _BATCHES:
            pictures = _pictures(network, (batch, *input_shape))
            times[str(batch)] = 1000.0 * (_median_seconds(network, pictures, seconds) / batch)
    passed = time.perf_counter() - began
    return MeasuredLatency(times, min(1.0, (time.thread_time() - used) / passed))


def _median_seconds(network: nn.Module, pictures: Tensor, seconds: float) -> float:
    end = time.perf_counter() + seconds
    for _ in range(_WARM_UP):
        first = _timed(network, pictures)
        if time.perf_counter() > end:
            return first
    end = time.perf_counter() + seconds
    times = [_timed(network, pictures)]
    while time.perf_counter() < end:
        times.append(_timed(network, pictures))
    return statistics.median(times)


def _timed(network: nn.Module, pictures: Tensor) -> float:
    start = time.perf_counter()
    network(pictures)
    if pictures.is_cuda:
        torch.cuda.synchronize(pictures.device)
    return time.perf_counter() - start


def _pictures(network: nn.Module, shape: tuple[int, ...]) -> Tensor:
    tensor = next(network.parameters(), None)
    device = torch.device("cpu") if tensor is None else tensor.device
    return torch.zeros(shape, dtype=torch.uint8, device=device)


@contextlib.contextmanager
def _plain_attention() -> Iterator[None]:
    """The fused forms of attention are one operation, which the counters do not see."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
