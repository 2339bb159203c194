"""torchdistill 1.1.5: its distillation box, in the training loop of its examples."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils.data import RandomSampler

from benchmarks.throughput_comparison.input_pipeline import loader_options, training_pictures
from benchmarks.throughput_comparison.setting import (
    BATCH,
    LEARNING_RATE,
    MOMENTUM,
    TASK,
    TEMPERATURE,
    WEIGHT_DECAY,
    Setting,
)
from benchmarks.throughput_comparison.step_meter import Meter


def train(setting: Setting, meter: Meter) -> nn.Module:
    """The trained student.

    Raises:
        TimeIsUp: the run's time is up.
    """
    from torchdistill.core.distillation import get_distillation_box
    from torchdistill.misc.log import MetricLogger, SmoothedValue

    (teacher,), student = setting.teacher_networks(), setting.student()
    pictures, device = training_pictures(setting), torch.device("cpu")
    box = get_distillation_box(
        teacher, student, {"train": pictures}, _settings(setting, pictures), device, None, False, 1
    )
    meter.attach(box.optimizer)
    for epoch in range(setting.epochs):
        box.pre_epoch_process(epoch=epoch)
        log = MetricLogger(delimiter="  ")
        log.add_meter("lr", SmoothedValue(window_size=1, fmt="{value}"))
        for batch, targets, extra in log.log_every(box.train_data_loader, 100, f"Epoch: [{epoch}]"):
            loss = box.forward_process(batch.to(device), targets.to(device), extra)
            box.post_forward_process(loss=loss)
            log.update(loss=loss.item(), lr=box.optimizer.param_groups[0]["lr"])
        box.post_epoch_process()
    return student


def _settings(setting: Setting, pictures: Any) -> dict[str, Any]:
    """The ``train`` section of its YAML samples for CIFAR-10, with our hyperparameters."""
    return {
        "num_epochs": setting.epochs,
        "train_data_loader": {
            "dataset_id": "train",
            "sampler": {"class_or_func": RandomSampler, "kwargs": {}},
            "kwargs": loader_options(setting),
        },
        "teacher": {"forward_proc": "forward_batch_only", "requires_grad": False},
        "student": {"forward_proc": "forward_batch_only", "requires_grad": True},
        "optimizer": {
            "key": "SGD",
            "kwargs": {
                "lr": LEARNING_RATE,
                "momentum": MOMENTUM,
                "weight_decay": WEIGHT_DECAY,
            },
        },
        "scheduler": {
            "key": "CosineAnnealingLR",
            "kwargs": {"T_max": setting.steps(len(pictures) // BATCH)},
            "scheduling_step": 1,
        },
        "criterion": {
            "key": "WeightedSumLoss",
            "kwargs": {"sub_terms": {"kd": {"criterion": _criterion(), "weight": 1.0}}},
        },
    }


def _criterion() -> dict[str, Any]:
    logits = {"module_path": ".", "module_io": "output"}
    return {
        "key": "KDLoss",
        "kwargs": {
            **{f"student_{name}": value for name, value in logits.items()},
            **{f"teacher_{name}": value for name, value in logits.items()},
            "temperature": TEMPERATURE,
            "alpha": TASK,
            "reduction": "batchmean",
        },
    }
