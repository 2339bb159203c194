"""Finds the parts of a checkpoint that hold tensors, the usual ones first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

_KEYS = ("state_dict", "model_state_dict", "model", "net", "network", "ema", "model_ema", "module")
"""Where checkpoints keep their weights, the first that is there."""

_DEPTH = 4
"""How deep checkpoints are nested, at most."""

Parts = dict[str, dict[str, Tensor]]
"""The tensors by name of each part, by its dotted key; that of the file itself is empty."""


def parts_of(content: Any, key: str | None = None) -> Parts:
    """The parts of what ``torch.save`` wrote, or of its part ``key`` alone: usual ones first, and
    after all those below it what lies loose beside them. No part if there is none such."""
    if key is None:
        return dict(_parts(content, "", _DEPTH))
    if isinstance(content, Mapping) and key in content:
        return dict(_parts(content[key], key, _DEPTH))
    return {
        name: part
        for name, part in _parts(content, "", _DEPTH)
        if name == key or name.startswith(f"{key}.")
    }


def keys_of(content: Any) -> str:
    """The names that the file has at its top, for a message."""
    return ", ".join(map(str, content))[:200] if isinstance(content, Mapping) else "no names"


def usual_key(key: str) -> bool:
    """Whether weights are found under ``key`` without a word: the usual names alone."""
    return all(name in _KEYS for name in key.split(".")) if key else True


def _parts(content: Any, key: str, depth: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
    if not isinstance(content, Mapping) or depth == 0:
        return
    below = [name for name in content if isinstance(name, str)]
    for name in sorted(below, key=lambda name: _KEYS.index(name) if name in _KEYS else len(_KEYS)):
        yield from _parts(content[name], f"{key}.{name}" if key else name, depth - 1)
    tensors = {str(name): each for name, each in content.items() if isinstance(each, Tensor)}
    if tensors:
        yield key, tensors
