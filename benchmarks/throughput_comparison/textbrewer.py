"""TextBrewer 0.2.1.post1: its distillers for one and for several teachers.

Its soft loss is not multiplied by the temperature's square, so its weight is; it averages the
teachers' logits, where the others average their probabilities.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import CosineAnnealingLR

from benchmarks.throughput_comparison.input_pipeline import training_loader
from benchmarks.throughput_comparison.setting import SOFT, TASK, TEMPERATURE, Setting
from benchmarks.throughput_comparison.step_meter import Meter


class IgnoringTargets(nn.Module):
    """TextBrewer calls a model with the whole batch; this one uses only the images."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor, targets: Tensor) -> Tensor:
        """Logits [B, C]."""
        logits: Tensor = self.network(pictures)
        return logits


def train(setting: Setting, meter: Meter) -> nn.Module:
    """The trained student.

    Raises:
        TimeIsUp: the run's time is up.
    """
    with warnings.catch_warnings():  # its code compares with string literals by `is`
        warnings.simplefilter("ignore", SyntaxWarning)
        from textbrewer import GeneralDistiller, MultiTeacherDistiller
    student, loader = setting.student(), training_loader(setting)
    teachers = [IgnoringTargets(network) for network in setting.teacher_networks()]
    optimizer = setting.optimizer(student)
    meter.attach(optimizer)
    with tempfile.TemporaryDirectory() as folder:
        settings = {**_settings(folder), "model_S": IgnoringTargets(student)}
        if len(teachers) == 1:
            distiller = GeneralDistiller(model_T=teachers[0], **settings)
        else:
            distiller = MultiTeacherDistiller(model_T=teachers, **settings)
        with distiller:
            distiller.train(
                optimizer,
                loader,
                num_epochs=setting.epochs,
                scheduler_class=CosineAnnealingLR,
                scheduler_args={"T_max": setting.steps(len(loader))},
            )
    return student


def _settings(folder: str) -> Mapping[str, Any]:
    from textbrewer import DistillationConfig, TrainingConfig

    return {
        "train_config": TrainingConfig(device="cpu", output_dir=folder),
        "distill_config": DistillationConfig(
            temperature=TEMPERATURE, hard_label_weight=TASK, kd_loss_weight=SOFT * TEMPERATURE**2
        ),
        "adaptor_T": _teacher_adaptor,
        "adaptor_S": _student_adaptor,
    }


def _teacher_adaptor(batch: tuple[Tensor, Tensor], logits: Tensor) -> dict[str, Any]:
    return {"logits": (logits,)}


def _student_adaptor(batch: tuple[Tensor, Tensor], logits: Tensor) -> dict[str, Any]:
    return {"logits": (logits,), "losses": (functional.cross_entropy(logits, batch[1]),)}
