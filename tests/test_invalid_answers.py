"""A teacher that passes the parity gate and then answers with no number is one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from orchestrator.cli import main
from students.transfer_sets.catalog import load_transfer_set
from students.transfer_sets.config import Digits
from tests.running import IN_PROCESS

BROKEN = '''
import torch
from torch import nn


class Broken(nn.Module):
    """Returns NaN for one picture in evaluation mode."""

    def __init__(self, pixels, shape, classes):
        super().__init__()
        self.register_buffer("picture", torch.tensor([int(each) for each in pixels.split()]) / 255)
        self.layer = nn.Linear(shape[0] * shape[1] * shape[2], classes)

    def forward(self, pictures):
        flat = pictures.flatten(1)
        logits = self.layer(flat)
        if self.training:
            return logits
        same = ((flat - self.picture).abs() < 1e-3).all(dim=1, keepdim=True)
        return logits.masked_fill(same, float("nan"))


def make(input_shape, classes, pixels):
    return Broken(pixels, input_shape, classes)
'''


def written(folder: Path) -> tuple[Path, int]:
    """A recipe whose teacher returns NaN for one sample of the student's, and that sample."""
    given = load_transfer_set(Digits(validation=100), folder=folder, cache=folder / "cache")
    sample = int(np.setdiff1d(given.student_ids, given.validation_ids)[700])
    (folder / "broken.py").write_text(BROKEN)
    recipe = {
        "name": "broken",
        "transfer_set": {"kind": "digits", "validation": 100},
        "teachers": {
            "broken": {
                "model": {
                    "kind": "custom",
                    "source": "broken.py:make",
                    "options": {
                        "pixels": " ".join(map(str, given.inputs[sample].flatten().tolist()))
                    },
                    "preprocessing": {"mean": [0.0], "std": [1.0]},
                },
                "train": {"epochs": 3, "threads": 1},
                "threads": 1,
                "engine": {"kind": "torch"},
            }
        },
        "student": {
            "model": {"kind": "mlp", "hidden": [8]},
            "objective": {"soft_targets": 1.0},
            "train": {"epochs": 1, "threads": 1},
        },
        "controls": [],
    }
    file = folder / "recipe.yaml"
    file.write_text(yaml.safe_dump(recipe))
    return file, sample


def test_the_teacher_and_the_sample_are_named_and_the_run_ends_as_the_recipe_says(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file, sample = written(tmp_path)
    settings = [each for each in IN_PROCESS if not each.startswith("teachers")]
    for on_loss, restarts in (("fail", 0), ("wait", 3)):
        caplog.clear()
        result = CliRunner().invoke(
            main,
            ["--home", str(tmp_path / "home"), "run", str(file), *settings,
             f"ensemble.on_teacher_loss={on_loss}"],
        )  # fmt: skip
        assert result.exit_code == 2, result.output
        assert "Traceback" not in result.stderr
        assert result.stderr.rstrip().endswith(
            "teacher 'broken' answered with values that are not numbers (NaN), first to sample "
            f"{sample}; check its weights"
        )
        assert caplog.text.count("restarting teacher 'broken'") == restarts
