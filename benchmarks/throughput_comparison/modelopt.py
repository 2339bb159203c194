"""NVIDIA ModelOpt 0.47: its distillation model, in the loop of its guide."""

from __future__ import annotations

from torch import nn
from torch.nn import functional

from benchmarks.throughput_comparison.input_pipeline import training_loader
from benchmarks.throughput_comparison.setting import SOFT, TEMPERATURE, Setting
from benchmarks.throughput_comparison.step_meter import Meter


def train(setting: Setting, meter: Meter) -> nn.Module:
    """The trained student.

    Raises:
        TimeIsUp: the run's time is up.
    """
    import modelopt.torch.distill as mtd

    (teacher,) = setting.teacher_networks()
    model = mtd.convert(
        setting.student(),
        mode=[
            (
                "kd_loss",
                {
                    "teacher_model": teacher,
                    "criterion": mtd.LogitsDistillationLoss(TEMPERATURE, reduction="batchmean"),
                    "loss_balancer": mtd.StaticLossBalancer(SOFT),
                },
            )
        ],
    )
    loader, optimizer = training_loader(setting), setting.optimizer(model)
    schedule = setting.schedule(optimizer, len(loader))
    meter.attach(optimizer)
    model.train()
    for _ in range(setting.epochs):
        for pictures, targets in loader:
            optimizer.zero_grad()
            task = functional.cross_entropy(model(pictures), targets)
            model.compute_kd_loss(student_loss=task).backward()
            optimizer.step()
            schedule.step()
    student: nn.Module = mtd.export(model)
    return student
