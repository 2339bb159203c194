"""The usual input pipeline: PIL images, torchvision's transforms, a DataLoader."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset

from benchmarks.throughput_comparison.setting import BATCH, MEAN, STD, Setting
from students.torchvision_door import load_torchvision


def training_pictures(setting: Setting) -> Dataset[Any]:
    """The student's samples, randomly cropped and flipped."""
    cifar10 = load_torchvision().datasets.CIFAR10  # afterwards torchvision can be imported directly
    from torchvision import transforms

    transform = transforms.Compose(
        [
            transforms.RandomCrop(32, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    whole = cifar10(setting.root, train=True, transform=transform)
    return Subset(whole, setting.transfer_set.student_ids.tolist())


def loader_options(setting: Setting) -> dict[str, Any]:
    """Full batches, as in all other runs; workers persist between epochs."""
    return {
        "batch_size": BATCH,
        "num_workers": setting.loaders,
        "drop_last": True,
        "persistent_workers": setting.loaders > 0,
    }


def training_loader(setting: Setting) -> DataLoader[Any]:
    """Batches of images [B, 3, 32, 32] and targets [B], in a new order each epoch."""
    return DataLoader(training_pictures(setting), shuffle=True, **loader_options(setting))


@torch.no_grad()
def test_accuracy(student: nn.Module, setting: Setting) -> float:
    """The test accuracy of ``student``, from 0 to 1."""
    data, right, student = setting.transfer_set, 0, student.eval()
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    ids = data.test_ids
    for start in range(0, len(ids), 1000):
        batch = data.batch(ids[start : start + 1000], 0)
        logits: Tensor = student((batch.inputs / 255 - mean) / std)
        right += int((logits.argmax(1) == batch.targets).sum())
    return right / len(ids)
