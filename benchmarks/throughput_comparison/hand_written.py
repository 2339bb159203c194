"""A training loop as one writes it by hand: fp32, teachers and student in one process."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.throughput_comparison.input_pipeline import training_loader
from benchmarks.throughput_comparison.setting import SOFT, TASK, Setting, soft_loss, softened
from benchmarks.throughput_comparison.step_meter import Meter


def train(setting: Setting, meter: Meter) -> nn.Module:
    """The trained student; without teachers it is trained on labels only.

    Raises:
        TimeIsUp: the run's time is up.
    """
    teachers, student = setting.teacher_networks(), setting.student().train()
    loader, optimizer = training_loader(setting), setting.optimizer(student)
    schedule = setting.schedule(optimizer, len(loader))
    meter.attach(optimizer)
    for _ in range(setting.epochs):
        for pictures, targets in loader:
            optimizer.zero_grad()
            _loss(student(pictures), targets, teachers, pictures).backward()
            optimizer.step()
            schedule.step()
    return student


def _loss(logits: Tensor, targets: Tensor, teachers: list[nn.Module], pictures: Tensor) -> Tensor:
    task = functional.cross_entropy(logits, targets)
    if not teachers:
        return task
    with torch.no_grad():
        answers = torch.stack([softened(teacher(pictures)) for teacher in teachers])
    return TASK * task + SOFT * soft_loss(logits, answers.mean(0))
