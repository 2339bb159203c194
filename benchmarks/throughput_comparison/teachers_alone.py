"""The teachers alone, in fp32 and one process: what they cost without a student."""

from __future__ import annotations

from itertools import cycle

import torch
from torch import nn

from benchmarks.throughput_comparison.setting import BATCH, Setting
from benchmarks.throughput_comparison.step_meter import Meter


@torch.no_grad()
def train(setting: Setting, meter: Meter) -> nn.Module:
    """Has batch after batch answered until the turn is over; no picture is decoded for it.

    Raises:
        TurnOver: the turn's time is over.
    """
    teachers = setting.teacher_networks()
    batches = [torch.randn(BATCH, 3, 32, 32) for _ in range(4)]
    for pictures in cycle(batches):
        for teacher in teachers:
            teacher(pictures)
        meter.count()
    raise AssertionError("a cycle has no end")
