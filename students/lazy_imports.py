"""Torch and numpy, imported when something of them is first used.

A loss, a weighting rule and a model each stand in one file with their settings, and recipes are
read and checked without torch, whose import takes a second or more. Such files write
``from students.lazy_imports import torch`` and use the names as usual inside functions; what
stands at module level (a base class, a default, a decorator) must not touch them.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = ["functional", "nn", "np", "torch"]

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn
    from torch.nn import functional
else:

    class _LazyModule(ModuleType):
        """Stands for a module until something of it is used; keeps what was looked up."""

        def __getattr__(self, name: str) -> Any:
            value = getattr(importlib.import_module(self.__name__), name)
            setattr(self, name, value)
            return value

    np = _LazyModule("numpy")
    torch = _LazyModule("torch")
    nn = _LazyModule("torch.nn")
    functional = _LazyModule("torch.nn.functional")
