"""Reads the golden cases: inputs and expected values computed with numpy alone, in float64."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor


def golden(case: str) -> SimpleNamespace:
    """The case of that id, with ``inputs``, ``params``, ``expected`` and ``tol``."""
    found = json.loads((Path(__file__).parent / f"{case}.json").read_text(encoding="utf-8"))
    return SimpleNamespace(**found)


def tensor(values: Any) -> Tensor:
    """Nested lists as a float64 tensor."""
    return torch.tensor(values, dtype=torch.float64)
