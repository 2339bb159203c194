"""One run of one peer in this process: ``python -m benchmarks.throughput_comparison.run_peer``.

Prints one line of JSON, the last on standard output.
"""

from __future__ import annotations

import argparse
import importlib
import json
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.throughput_comparison.input_pipeline import test_accuracy
from benchmarks.throughput_comparison.peer_runs import PEERS
from benchmarks.throughput_comparison.setting import Setting
from benchmarks.throughput_comparison.step_meter import Meter, TimeIsUp
from students.torchvision_door import load_torchvision


def run_peer(module: str, setting: Setting, meter: Meter, threads: int) -> dict[str, Any]:
    """Trains as ``module`` does, on ``threads``, to the end or until ``meter`` ends the run.

    ``accuracy`` (test, 0 to 1) is None if the run was ended.
    """
    began, accuracy = time.perf_counter(), None
    torch.set_num_threads(threads)
    torch.manual_seed(setting.seed)
    load_torchvision()  # before a peer imports torchvision directly
    train = importlib.import_module(f"benchmarks.throughput_comparison.{module}").train
    try:
        student = train(setting, meter)
    except TimeIsUp:
        pass
    else:
        accuracy = test_accuracy(student, setting)
    return {
        "images_per_second": meter.images_per_second,
        "milliseconds": meter.milliseconds,
        "steps": meter.steps,
        "seconds": time.perf_counter() - began,
        "accuracy": accuracy,
    }


def main() -> None:
    """Runs the peer that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", choices=PEERS)
    parser.add_argument("root", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--loaders", type=int, default=0, help="processes of the DataLoader")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--warm-up", type=int, default=6, help="steps that do not count")
    parser.add_argument("--seconds", type=float, help="if not given: to the end of all epochs")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--fraction", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    peer = PEERS[asked.name]
    setting = Setting(
        root=asked.root,
        teachers=peer.teachers,
        epochs=asked.epochs,
        fraction=asked.fraction,
        loaders=asked.loaders,
        seed=asked.seed,
        cache=asked.cache,
    )
    figures = run_peer(peer.module, setting, Meter(asked.warm_up, asked.seconds), asked.threads)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
