"""Compiles a network with torch.compile, for one shape and one number of threads."""

from __future__ import annotations

import inspect
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

_WHERE = "TORCHINDUCTOR_CACHE_DIR"
_APART = "isolate_recompiles"


def can_compile(device: torch.device) -> bool:
    """Whether what compiling needs is here: a C++ compiler, or a GPU's own."""
    if device.type != "cpu":
        return sys.platform == "linux"
    named = os.environ.get("CXX")
    return any(shutil.which(name) for name in (named, "g++", "clang++") if name)


def compiled(network: nn.Module, cache: Path | None) -> Callable[[Tensor], Tensor]:
    """``network`` compiled at its first call, which takes seconds to minutes.

    To be called without gradients, always with one shape and as many threads. What is generated
    is kept in ``cache``, since the usual place, in the folder for temporary files, may be
    anybody's. On a CPU weights are laid out once for the code that is generated (`freezing`).
    """
    if cache is not None:
        os.environ.setdefault(_WHERE, str(cache / "compiled"))
    # In this process: a pool of compilers would outlive the role that asked for it.
    options: dict[str, str | int | bool | Callable[..., object]] = {"compile_threads": 1}
    if not next(network.parameters()).is_cuda:
        options["freezing"] = True
    # Whole or not at all: a part that quietly ran uncompiled would give other bits. Where torch
    # can, it is counted apart from other networks of the same class, of which there is a limit.
    known = inspect.signature(torch.compile).parameters
    apart: dict[str, Any] = {_APART: True} if _APART in known else {}
    result: Callable[[Tensor], Tensor] = torch.compile(
        network, fullgraph=True, dynamic=False, options=options, **apart
    )
    return result
