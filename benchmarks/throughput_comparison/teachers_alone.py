"""The teachers alone, in fp32 and one process: their cost without a student."""

from __future__ import annotations

from itertools import cycle

import torch
from torch import nn

from benchmarks.throughput_comparison.setting import BATCH, Setting
from benchmarks.throughput_comparison.step_meter import Meter


@torch.no_grad()
def train(setting: Setting, meter: Meter) -> nn.Module:
    """Runs the teachers on random batches until the time is up; no image is decoded for it.

    Raises:
        TimeIsUp: the run's time is up.
    """
    teachers = setting.teacher_networks()
    batches = [torch.randn(BATCH, 3, 32, 32) for _ in range(4)]
    for pictures in cycle(batches):
        for teacher in teachers:
            teacher(pictures)
        meter.count()
    raise AssertionError("a cycle has no end")
