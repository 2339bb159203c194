"""Torch and numpy, imported when something of them is first used.

A loss, a weighting rule and a model each stand in one file with their settings, and recipes are
read and checked without torch, whose import takes a second or more. Such files write
``from students.lazy_imports import Float, Tensor, torch`` and use the modules inside functions and
the types in annotations, which are not evaluated; what stands at module level (a base class, a
default, a decorator) must not touch them.
"""

from __future__ import annotations

import importlib
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = [
    "Bool", "Float", "Int", "LazyModule", "Tensor", "functional", "nn", "np", "npt", "torch",
]  # fmt: skip

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch
    from jaxtyping import Bool, Float, Int
    from torch import Tensor, nn
    from torch.nn import Module as LazyModule
    from torch.nn import functional
else:

    class _Unloaded(ModuleType):
        """Stands for a module until something of it is used; keeps what was looked up."""

        def __getattr__(self, name: str) -> Any:
            value = getattr(importlib.import_module(self.__name__), name)
            setattr(self, name, value)
            return value

    np = _Unloaded("numpy")
    npt = _Unloaded("numpy.typing")
    torch = _Unloaded("torch")
    nn = _Unloaded("torch.nn")
    functional = _Unloaded("torch.nn.functional")
    # For annotations alone, which nothing evaluates.
    Bool = Float = Int = Tensor = None

    class LazyModule:
        """Base class of a network's modules in place of ``nn.Module``, so that torch is not needed
        before the first of them is made."""

        def __new__(cls, *args: Any, **kwargs: Any) -> Any:
            """An instance of the class made of ``cls`` and ``nn.Module``."""
            return object.__new__(_with_torch(cls))

    @cache
    def _with_torch(cls: type) -> type:
        if issubclass(cls, nn.Module):
            return cls
        names = {"__module__": cls.__module__, "__qualname__": cls.__qualname__}
        return type(cls.__name__, (cls, nn.Module), {**names, "__doc__": cls.__doc__})
