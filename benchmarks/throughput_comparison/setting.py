"""The work that is the same for all: samples, networks, objective, optimizer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR

from students.models.build import build_model, build_network
from students.models.config import Preprocessing, Weights
from students.models.residual import ResNetCifar
from students.transfer_sets.catalog import load_transfer_set
from students.transfer_sets.config import Cifar10
from students.transfer_sets.transfer_set import TransferSet

BATCH = 128
TEMPERATURE = 4.0
SOFT, TASK = 0.9, 0.1
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY = 0.1, 0.9, 5e-4
VALIDATION = 500
STUDENT_DEPTH = 8
TEACHERS = {
    56: "weights/resnet56-4bfd9763.th",
    44: "weights/resnet44-014dd654.th",
    32: "weights/resnet32-d509ac18.th",
}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Normalisation with which the teachers were trained; all networks of all runs use it."""


@dataclass(frozen=True)
class Setting:
    """The work of one run.

    ``root`` holds cifar-10-batches-py and weights; ``fraction`` is of the training samples;
    ``loaders`` are the processes of the peers' DataLoader; ``seed`` is the student's.
    """

    root: Path
    teachers: int
    epochs: int
    fraction: float
    loaders: int
    seed: int
    cache: Path

    @cached_property
    def transfer_set(self) -> TransferSet:
        """CIFAR-10 as this project reads it, which also determines the training samples."""
        config = Cifar10(root=str(self.root), validation=VALIDATION, fraction=self.fraction)
        return load_transfer_set(config, folder=self.root, cache=self.cache)

    def student(self) -> nn.Module:
        """The untrained student, from normalised images [B, 3, 32, 32] to logits [B, 10]."""
        return build_model(
            ResNetCifar(depth=STUDENT_DEPTH),
            input_shape=self.transfer_set.shape,
            classes=self.transfer_set.classes,
            seed=self.seed,
            folder=self.root,
        )

    def teacher_networks(self) -> list[nn.Module]:
        """The first of the published networks, frozen, with the student's input."""
        loaded = [self._teacher(depth) for depth in list(TEACHERS)[: self.teachers]]
        return [network.requires_grad_(False).eval() for network in loaded]

    def _teacher(self, depth: int) -> nn.Module:
        return build_network(
            ResNetCifar(depth=depth, preprocessing=Preprocessing(mean=MEAN, std=STD)),
            self.transfer_set,
            self.root,
            path=f"resnet{depth}",
            weights=Weights(path=TEACHERS[depth]),
        ).model

    def optimizer(self, student: nn.Module) -> SGD:
        """The student's optimizer."""
        return SGD(
            student.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
        )

    def steps(self, steps_per_epoch: int) -> int:
        """Optimizer steps in all epochs."""
        return steps_per_epoch * self.epochs

    def schedule(self, optimizer: SGD, steps_per_epoch: int) -> CosineAnnealingLR:
        """The learning rate falls as a cosine over all steps."""
        return CosineAnnealingLR(optimizer, self.steps(steps_per_epoch))


def soft_loss(logits: Tensor, probabilities: Tensor) -> Tensor:
    """The KL divergence at ``TEMPERATURE``, times its square; both [B, C], mean over B."""
    soft = functional.log_softmax(logits / TEMPERATURE, dim=1)
    return functional.kl_div(soft, probabilities, reduction="batchmean") * TEMPERATURE**2


def softened(logits: Tensor) -> Tensor:
    """[..., C] logits to probabilities at ``TEMPERATURE``."""
    return torch.softmax(logits / TEMPERATURE, dim=-1)
