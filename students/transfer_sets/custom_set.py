"""Takes the pictures that the user's own function returns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from students.custom_code import load_function, user_code
from students.errors import TransferSetError
from students.transfer_sets.config import CustomTransferSet
from students.transfer_sets.examples import Examples, Pictures, Targets, joined

_EXPECTED = '{"train": (inputs, targets), "test": (inputs, targets)}'


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
        raise _problem(
            config, f"raised {type(problem).__name__}: {problem}", "fix the function"
        ) from problem
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
    inputs, targets = (_array(each) for each in value)
    if inputs.dtype != np.uint8 or inputs.ndim not in (3, 4) or 0 in inputs.shape:
        raise _problem(
            config,
            f"returned {name} pictures of {inputs.dtype} {list(inputs.shape)}",
            "return uint8 [N, C, H, W] or [N, H, W], values 0 to 255",
        )
    if targets.dtype.kind not in "iu" or targets.shape != inputs.shape[:1]:
        raise _problem(
            config,
            f"returned {name} targets of {targets.dtype} {list(targets.shape)} "
            f"for {len(inputs)} pictures",
            "return one whole number for each picture",
        )
    pictures = inputs if inputs.ndim == 4 else inputs[:, None]
    return np.ascontiguousarray(pictures), targets.astype(np.int64)


def _names(config: CustomTransferSet, names: Any, targets: Targets) -> tuple[str, ...]:
    if names is None:
        return tuple(str(number) for number in range(int(targets.max()) + 1))
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise _problem(config, f"returned the class_names {names!r}", "return a list of words")
    return tuple(names)


def _array(value: Any) -> npt.NDArray[Any]:
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


def _problem(config: CustomTransferSet, what: str, remedy: str) -> TransferSetError:
    return TransferSetError(
        f"`transfer_set.source` is '{config.source}', which {what}; {remedy}.", path="source"
    )
