"""The only file that imports torchvision.

Where torch is a CPU build and torchvision's wheel was built for CUDA, torchvision's library
of operators cannot be loaded (it needs CUDA's own libraries). ``import torchvision`` then
fails, because it attaches shapes to two operators that do not exist. Nothing here uses them,
so their schemas alone are declared first, and models, data sets and transforms work.
"""

from __future__ import annotations

import functools
import importlib.machinery
import importlib.util
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from students.lazy_imports import torch

_MISSING = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def load_torchvision() -> Any:
    """The package ``torchvision``, with its models, data sets and transforms.

    Raises:
        ImportError: torchvision is not installed.
    """
    _declare_operators()
    import torchvision

    return torchvision


@functools.cache
def _declare_operators() -> Any:
    """Declares the missing operators, once; the library must live as long as its schemas."""
    if "torchvision" in sys.modules or _operators_load():
        return None
    untyped: Any = torch.library
    library = untyped.Library("torchvision", "FRAGMENT")
    for name, schema in _MISSING.items():
        if not hasattr(torch.ops.torchvision, name):
            library.define(name + schema)
    return library


def _operators_load() -> bool:
    """Whether torchvision's library of operators can be loaded here.

    The library is found and loaded by path, as torchvision does it, before any of torchvision's
    Python runs: a failed import would leave half of its modules behind. If it loads,
    torchvision finds it loaded already.
    """
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        raise ImportError("torchvision is not installed; install it to use its models and data")
    untyped: Any = torch.ops
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        path = Path(spec.origin).with_name(f"_C{suffix}")
        if path.is_file():
            with suppress(ImportError, OSError):
                untyped.load_library(str(path))
                return True
    return False
