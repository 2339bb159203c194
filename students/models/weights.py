"""Loads weights files of the usual formats into a model, or not at all.

It reads safetensors files and those that ``torch.save`` wrote, the latter with nothing but
tensors and plain values (``weights_only=True``): no file can make this process run code.
"""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from cluster.errors import first_line
from students.errors import ShapeMismatch, WeightsError
from students.models.config import Weights

_KEYS = ("state_dict", "model_state_dict", "model", "net", "network", "ema", "model_ema", "module")
"""Where checkpoints keep their weights, the first that is there."""

_PREFIXES = ("module.", "model.", "_orig_mod.")
"""Prefixes that data-parallel, Lightning-like and compiled wrappers put before every name."""

_BOOKKEEPING = frozenset({"n_averaged"})
"""Entries that an averaging wrapper adds to the weights."""


def read_weights(weights: Weights, *, path_in_recipe: str, folder: Path) -> dict[str, Tensor]:
    """The tensors of a weights file by parameter name, on the CPU, prefixes taken off.

    ``path_in_recipe`` is where ``weights`` stands, such as ``teachers.deep.weights``; a relative
    path is taken from ``folder``, ``~`` is the home folder.

    Raises:
        WeightsError: the file is missing, damaged, unsafe, or has no weights at the key given.
    """
    return _Source(weights, path_in_recipe, folder).tensors(header_only=False)


def load_weights(model: nn.Module, weights: Weights, *, path_in_recipe: str, folder: Path) -> None:
    """Puts a weights file into ``model``, which must want exactly its names and shapes.

    Counters of batch normalisation (``num_batches_tracked``) may be absent: old files have none,
    and nothing is computed from them.

    Raises:
        WeightsError: as ``read_weights``, or they do not fit; the model is unchanged.
    """
    tensors = read_weights(weights, path_in_recipe=path_in_recipe, folder=folder)
    fitting = _fitting(model, tensors, path_in_recipe=path_in_recipe, path=weights.path)
    model.load_state_dict(fitting, strict=False)


def check_weights_header(
    model: nn.Module, weights: Weights, *, path_in_recipe: str, folder: Path
) -> None:
    """Compares a weights file with ``model`` (which may be a skeleton) by names and shapes.

    Of a safetensors file only the header is read; tensors in a file of ``torch.save`` stay on the
    disk where its format allows it (since PyTorch 1.6).

    Raises:
        WeightsError: as ``load_weights``.
    """
    tensors = _Source(weights, path_in_recipe, folder).tensors(header_only=True)
    _fitting(model, tensors, path_in_recipe=path_in_recipe, path=weights.path)


class _Source:
    """One weights file and where the recipe names it."""

    def __init__(self, weights: Weights, path_in_recipe: str, folder: Path) -> None:
        self._weights = weights
        self._place = path_in_recipe
        self._path = folder / Path(weights.path).expanduser()

    def tensors(self, *, header_only: bool) -> dict[str, Tensor]:
        if not self._path.is_file():
            problem = "is a folder" if self._path.is_dir() else "does not exist"
            raise self._error(f"which {problem}; give the path of a weights file")
        if self._path.suffix == ".safetensors" or self._begins()[8:] == b"{":
            found = self._from_safetensors(header_only=header_only)
        else:
            found = self._part(self._from_torch(header_only=header_only))
        return self._strip_prefixes(found)

    def _from_safetensors(self, *, header_only: bool) -> dict[str, Tensor]:
        if self._weights.key is not None:
            raise self._error(
                f"{self._weights.key!r}, but {self._weights.path!r} is a safetensors file, which"
                " has no parts; leave it out",
                setting="key",
            )
        try:
            with safe_open(self._path, "pt") as file:
                if not header_only:
                    return {name: file.get_tensor(name) for name in list(file.keys())}
                shapes = {name: file.get_slice(name).get_shape() for name in list(file.keys())}
                return {name: torch.empty(shapes[name], device="meta") for name in shapes}
        except (SafetensorError, OSError, ValueError) as error:
            raise self._damaged(error) from error

    def _begins(self) -> bytes:
        """Nine bytes: a safetensors header's length and its brace, or a format's own mark."""
        try:
            with self._path.open("rb") as file:
                return file.read(9)
        except OSError as error:
            raise self._error(f"which cannot be read ({error.strerror}); replace it") from error

    def _from_torch(self, *, header_only: bool) -> Any:
        mapped = header_only and self._begins().startswith(b"PK\x03\x04")
        try:
            with warnings.catch_warnings():
                # An unusual pickle draws a warning that does not help the user.
                warnings.simplefilter("ignore")
                if mapped:
                    return torch.load(self._path, map_location="cpu", weights_only=True, mmap=True)
                with self._path.open("rb") as file:
                    return torch.load(file, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise self._refusal(error) from error
        except Exception as error:  # damaged bytes lead the reader to raise anything
            raise self._damaged(error) from error

    def _part(self, content: Any) -> dict[str, Tensor]:
        """The weights within the object that ``torch.save`` wrote."""
        if self._weights.key is not None:
            return self._named_part(content, self._weights.key)
        while isinstance(content, Mapping):
            tensors = _tensors_of(content)
            if tensors:
                return tensors
            inner = (content[key] for key in _KEYS if isinstance(content.get(key), Mapping))
            content = next(inner, None)
        raise self._error(
            f"which holds no weights under any of the usual names ({', '.join(_KEYS)});"
            " name the part by `key`"
        )

    def _named_part(self, content: Any, key: str) -> dict[str, Tensor]:
        part = content.get(key) if isinstance(content, Mapping) else None
        tensors = _tensors_of(part) if isinstance(part, Mapping) else {}
        if not tensors:
            there = ", ".join(map(str, content)) if isinstance(content, Mapping) else "no names"
            raise self._error(
                f"{key!r}, which is no part with weights of {self._weights.path!r};"
                f" the file has: {there[:200]}",
                setting="key",
            )
        return tensors

    def _strip_prefixes(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        prefix = self._weights.strip_prefix
        if prefix is None:
            tensors = {name: tensors[name] for name in tensors if name not in _BOOKKEEPING}
            prefix = _wrapper_prefix(tensors)
        elif not any(name.startswith(prefix) for name in tensors):
            raise self._error(
                f"{prefix!r}, but no name in {self._weights.path!r} begins so"
                f" (the first is {next(iter(tensors), '')!r}); repair it or leave it out",
                setting="strip_prefix",
            )
        return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}

    def _refusal(self, error: pickle.UnpicklingError) -> WeightsError:
        unsafe = ", ".join(self._unsafe_globals(error))
        if not unsafe and self._begins()[:1] != b"\x80" and "legacy .tar" not in str(error):
            return self._damaged(error)
        what = f"wants to call {unsafe}" if unsafe else "is a pickle that torch.save does not write"
        return self._error(
            f"which {what}; nothing of it was run, for such a file can run any code: give one that"
            " holds tensors alone (torch.save(model.state_dict(), path), or safetensors)"
        )

    def _unsafe_globals(self, error: pickle.UnpicklingError) -> list[str]:
        named = re.findall(r"GLOBAL ([\w.]+)", str(error))
        try:
            listed = torch.serialization.get_unsafe_globals_in_checkpoint(str(self._path))
        except Exception:  # noqa: BLE001 - old formats cannot be listed; the error names the first
            listed = []
        return sorted({*named, *listed})

    def _damaged(self, error: Exception) -> WeightsError:
        reason = first_line(error)[:200]
        # Of a refused pickle torch advises how to open it unsafely, which is not passed on.
        detail = "" if isinstance(error, pickle.UnpicklingError) else f" ({reason})"
        return self._error(
            "which cannot be read: it is damaged, cut short, or neither a safetensors file nor one"
            f" of torch.save{detail}; fetch it again"
        )

    def _error(self, rest: str, *, setting: str = "path") -> WeightsError:
        place = f"{self._place}.{setting}"
        value = "" if setting != "path" else f"{self._weights.path!r}, "
        return WeightsError(f"`{place}` is {value}{rest}", path=place)


def _tensors_of(content: Mapping[Any, Any]) -> dict[str, Tensor]:
    return {str(name): value for name, value in content.items() if isinstance(value, Tensor)}


def _wrapper_prefix(names: Iterable[str]) -> str:
    """The wrappers' prefixes that all ``names`` begin with, one after another."""
    rest, stacked = list(names), ""
    while rest:
        prefix = next((one for one in _PREFIXES if all(n.startswith(one) for n in rest)), None)
        if prefix is None:
            break
        stacked += prefix
        rest = [name.removeprefix(prefix) for name in rest]
    return stacked


def _fitting(
    model: nn.Module, tensors: Mapping[str, Tensor], *, path_in_recipe: str, path: str
) -> dict[str, Tensor]:
    """The tensors by the model's names, after a comparison with what it wants."""
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    prefix = _wrapper_prefix(wanted)
    if any(name.startswith(prefix) for name in tensors):
        prefix = ""  # else one was taken off that is a module of the model itself
    fitting = {prefix + name: tensor for name, tensor in tensors.items()}
    given = {name: tuple(tensor.shape) for name, tensor in fitting.items()}
    missing = [
        name for name in wanted if name not in given and not name.endswith("num_batches_tracked")
    ]
    unexpected = [name for name in given if name not in wanted]
    shapes = {
        name: (given[name], shape)
        for name, shape in wanted.items()
        if name in given and given[name] != shape
    }
    if not (missing or unexpected or shapes):
        return fitting
    place = f"{path_in_recipe}.path"
    other = [f"{name} {list(has)}, not {list(needs)}" for name, (has, needs) in shapes.items()]
    message = (
        f"`{place}` is {path!r}, which does not fit this model: {_list_some(missing, 'missing')},\n"
        f"{_list_some(unexpected, 'unexpected')},\n"
        f"{_list_some(other, 'of another shape')}; give the weights of this very model, or change"
        " the model"
    )
    if missing or unexpected:
        raise WeightsError(message, path=place)
    raise ShapeMismatch(message, path=place, shapes=shapes)


def _list_some(names: list[str], what: str) -> str:
    if not names:
        return f"0 {what}"
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"{len(names)} {what} ({shown})"
