"""Measures the cost of augmentation relative to training: crop and flip, CIFAR-10, a ResNet-8.

    python -m benchmarks.views ROOT      (ROOT holds cifar-10-batches-py)

Both are measured batch by batch in alternation, on one thread, so that load slows both. The views
must take at most 5 % of the training time; the exit status is 1 if they take more.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from students.models.build import build_model
from students.models.residual import ResNetCifar
from students.randomness import generator
from students.transfer_sets.catalog import load_transfer_set
from students.transfer_sets.config import Cifar10, CropFlip
from students.transfer_sets.transfer_set import TransferSet

BATCH = 64
LIMIT = 0.05


def measure(transfer_set: TransferSet, batches: int) -> dict[str, float]:
    """Median seconds for the views of one batch of 64, and for a training step."""
    torch.set_num_threads(1)
    model = build_model(
        ResNetCifar(depth=8),
        input_shape=transfer_set.shape,
        classes=transfer_set.classes,
        seed=0,
        folder=Path.cwd(),
    ).train()
    mean, std = (
        torch.tensor(values).view(-1, 1, 1) for values in (transfer_set.mean, transfer_set.std)
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    order = generator(0, "benchmark").permutation(transfer_set.student_ids)
    seconds: dict[str, list[float]] = {"views": [], "step": []}
    for number in range(batches):
        ids = order[np.arange(number * BATCH, (number + 1) * BATCH) % len(order)]
        started = time.perf_counter()
        batch = transfer_set.batch(ids, number)
        viewed = time.perf_counter()
        optimizer.zero_grad()
        pictures = (batch.inputs.float() / 255 - mean) / std
        cross_entropy(model(pictures), batch.targets).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        seconds["views"].append(viewed - started)
        seconds["step"].append(time.perf_counter() - viewed)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def main() -> int:
    """Prints the figures of one run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("--batches", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        config = Cifar10(root=str(options.root), augment=CropFlip())
        found = load_transfer_set(config, folder=Path.cwd(), cache=Path(cache))
        seconds = measure(found, options.batches)
    share = seconds["views"] / seconds["step"]
    for name, value in seconds.items():
        print(f"{name:8s} {value * 1e3:8.3f} ms a batch of {BATCH}")
    print(f"views / step: {share:.2%} (limit {LIMIT:.0%})")
    return 0 if share <= LIMIT else 1


if __name__ == "__main__":
    raise SystemExit(main())
