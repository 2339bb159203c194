"""Takes the pictures that the user's own function returns."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from students.custom_code import described, load_function, user_code
from students.errors import TransferSetError
from students.transfer_sets.config import CustomTransferSet
from students.transfer_sets.examples import Examples, Pictures, Targets, joined

_EXPECTED = '{"train": (inputs, targets), "test": (inputs, targets)}'
_CHANNELS = (1, 3, 4)


def load_custom(config: CustomTransferSet, folder: Path) -> Examples:
    """What ``function(**options)`` returns, checked.

    It returns a mapping: ``train`` and ``test``, each (inputs uint8 [N, C, H, W] or
    [N, H, W], targets whole numbers [N]), and ``class_names`` if it likes; arrays of numpy
    or torch.

    Raises:
        TransferSetError: the function fails, or returns something else.
    """
    # Run again, so that generators which the file itself makes begin again.
    function = load_function(config.source, folder, rerun=True)
    try:
        with user_code(config.source):
            returned = function(**config.options)
    except Exception as problem:  # a user's code may raise anything
        raise _problem(config, f"raised {described(problem)}", "fix the function") from problem
    if not isinstance(returned, Mapping):
        raise _problem(config, f"returned {_kind(returned)}", f"return {_EXPECTED}")
    strange = sorted(str(key) for key in set(returned) - {"train", "test", "class_names"})
    if strange or not {"train", "test"} <= set(returned):
        keys = ", ".join(sorted(str(key) for key in returned)) or "none"
        raise _problem(config, f"returned a mapping with the keys {keys}", f"return {_EXPECTED}")
    train, test = (_part(config, name, returned[name]) for name in ("train", "test"))
    if train[0].shape[1:] != test[0].shape[1:]:
        raise _problem(
            config,
            f"returned train pictures of {list(train[0].shape[1:])} "
            f"and test pictures of {list(test[0].shape[1:])}",
            "bring them to one size",
        )
    return joined(train, test, _names(config, returned.get("class_names"), train[1]))


def _part(config: CustomTransferSet, name: str, value: Any) -> tuple[Pictures, Targets]:
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise _problem(config, f"returned {_kind(value)} as {name}", f"return {_EXPECTED}")
    inputs, targets = (
        _array(config, f"{name} {what}", each)
        for what, each in zip(("pictures", "targets"), value, strict=True)
    )
    if inputs.dtype != np.uint8 or inputs.ndim not in (3, 4) or 0 in inputs.shape:
        raise _problem(
            config,
            f"returned {name} pictures of {inputs.dtype} {list(inputs.shape)}",
            "return uint8 [N, C, H, W] or [N, H, W], values 0 to 255",
        )
    if inputs.max() == 1:
        raise _problem(
            config,
            f"returned {name} pictures of the values 0 and 1 alone",
            "return values from 0 to 255: multiply pictures in [0, 1] by 255 before they become "
            "uint8, which drops all between",
        )
    if targets.dtype.kind not in "iu" or targets.shape != inputs.shape[:1]:
        raise _problem(
            config,
            f"returned {name} targets of {targets.dtype} {list(targets.shape)} "
            f"for {len(inputs)} pictures",
            "return one whole number for each picture",
        )
    pictures = inputs if inputs.ndim == 4 else inputs[:, None]
    if _is_channels_last(pictures.shape):
        raise _problem(
            config,
            f"returned {name} pictures of {list(inputs.shape)}, whose last axis is that of the "
            "channels",
            "return [N, C, H, W], by `transpose(0, 3, 1, 2)` of numpy or `permute(0, 3, 1, 2)` of "
            "torch; pictures that are so narrow are to be turned by 90 degrees",
        )
    return np.ascontiguousarray(pictures), targets.astype(np.int64)


def _is_channels_last(shape: tuple[int, ...]) -> bool:
    """Whether [N, C, H, W] is rather [N, H, W, C]: of grey, colour or transparent pictures."""
    _, first, second, last = shape
    if second == 1 or last not in _CHANNELS:
        return False
    return first not in _CHANNELS or (first == 4 and last == 3)


def _names(config: CustomTransferSet, names: Any, targets: Targets) -> tuple[str, ...]:
    if names is None:
        return tuple(str(number) for number in range(int(targets.max()) + 1))
    listed = isinstance(names, Iterable) and not isinstance(names, (str, Mapping))
    if not listed or not all(isinstance(name, str) for name in names):
        raise _problem(config, f"returned the class_names {names!r}", "return a list of words")
    return tuple(names)


def _array(config: CustomTransferSet, what: str, value: Any) -> npt.NDArray[Any]:
    problem: Exception | None = None
    try:
        array = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value
        array = np.asarray(array)
        if array.dtype != object:
            return array
    except Exception as raised:  # noqa: BLE001 - a user's object may raise anything
        problem = raised
    shapes = _shapes(value)
    if len(shapes) > 1:
        raise _problem(
            config,
            f"returned {what} of {len(shapes)} shapes, {shapes[0]} and {shapes[1]} among them",
            "bring all to one size and one number of channels",
        ) from problem
    reason = f" ({type(problem).__name__}: {problem})" if problem else ""
    raise _problem(
        config,
        f"returned {_kind(value)} as {what}, which cannot be made an array of numbers{reason}",
        f"return {_EXPECTED} with arrays of numpy or torch",
    ) from problem


def _shapes(value: Any) -> list[list[int]]:
    """The different shapes of what is in ``value``, in the order of their first."""
    if not isinstance(value, (list, tuple, np.ndarray)):
        return []
    with contextlib.suppress(Exception):  # A user's object may raise anything.
        return [list(shape) for shape in dict.fromkeys(map(np.shape, value))]
    return []


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


def _problem(config: CustomTransferSet, what: str, remedy: str) -> TransferSetError:
    return TransferSetError(
        f"`transfer_set.source` is '{config.source}', which {what}; {remedy}.", path="source"
    )
