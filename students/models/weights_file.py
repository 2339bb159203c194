"""Reads the tensors of a weights file without running any code that the file names.

A safetensors file is data alone. A file of ``torch.save`` is a pickle: it is read with tensors and
plain values allowed (``weights_only=True``), and the usual plain data that training scripts store
beside the weights is replaced by an object without content.
"""

from __future__ import annotations

import pickle
import pickletools
import re
import threading
import warnings
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from cluster.errors import first_line, some_of
from students.errors import WeightsError
from students.models.config import Weights
from students.models.weights_format import foreign_format, is_safetensors, path_problem


class Unread:
    """Stands for data in a file that is not read: takes any arguments and keeps nothing."""

    def __new__(cls, *_: object) -> Unread:
        """An empty object, whatever the file says of it."""
        return object.__new__(cls)

    def __init__(self, *_: object) -> None: ...

    def __setstate__(self, _: object) -> None: ...


_DTYPES = (
    "Bool", "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float16",
    "Float32", "Float64", "Str", "Bytes", "Object",
)  # fmt: skip
_PLAIN = (
    "_codecs.encode", "argparse.Namespace", "types.SimpleNamespace", "datetime.date",
    "datetime.datetime", "datetime.timedelta", "decimal.Decimal", "uuid.UUID",
    *(f"pathlib.{name}" for name in ("Path", "PosixPath", "WindowsPath", "PurePosixPath")),
    *(f"pathlib._local.{name}" for name in ("Path", "PosixPath", "WindowsPath")),
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core")
      for name in ("scalar", "_reconstruct")),
    "numpy.dtype", "numpy.ndarray", *(f"numpy.dtypes.{name}DType" for name in _DTYPES),
)  # fmt: skip
"""Plain data, by the names under which a pickle calls for it."""
_MAPPINGS = (
    "yacs.config.CfgNode", "fvcore.common.config.CfgNode", "detectron2.config.config.CfgNode",
    "easydict.EasyDict", "addict.addict.Dict", "munch.Munch",
    "pytorch_lightning.utilities.parsing.AttributeDict",
    "lightning.pytorch.utilities.parsing.AttributeDict",
    "lightning_fabric.utilities.data.AttributeDict",
    "lightning.fabric.utilities.data.AttributeDict",
)  # fmt: skip
"""Settings that are dictionaries; what they hold is kept, and not used."""

_STAND_INS: list[Any] = [
    *((Unread, name) for name in _PLAIN),
    *((OrderedDict, name) for name in _MAPPINGS),
]
_STAND_INS_LOCK = threading.Lock()
"""Torch's list of allowed names is one for the whole process."""

_TENSORS = re.compile(r"torch(\._utils)?\.\w+$|collections\.OrderedDict$")
"""What a file of tensors calls for."""

_OLD_MARK = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""Begins a file of ``torch.save`` from before PyTorch 1.6, as a pickle of its own."""

_ALONE = (
    "nothing of it was run, for such a file can run any code: give one that holds tensors alone"
    " (torch.save(model.state_dict(), path), or safetensors)"
)


@dataclass(frozen=True)
class WeightsFile:
    """One weights file; ``place`` is where the recipe names it, such as ``teachers.deep.weights``;
    a relative path is taken from ``folder``, ``~`` is the home folder."""

    weights: Weights
    place: str
    folder: Path

    @property
    def path(self) -> Path:
        """Its place in the file system."""
        return self.weights.file(self.folder)

    def read(self, *, header_only: bool) -> Any:
        """What the file holds: of a safetensors file its tensors by name, else the object that
        ``torch.save`` wrote. With ``header_only`` tensors stay on the disk where the format
        allows it (on the meta device, or mapped).

        Raises:
            WeightsError: the file is missing, damaged, unsafe or of another format.
        """
        if problem := path_problem(self.path, self.weights.path):
            raise self.error(f"which {problem}")
        try:
            with self.path.open("rb") as file:
                head = file.read(512)
            if foreign := foreign_format(self.path, head):
                raise self.error(f"which {foreign}")
        except OSError as error:
            raise self.error(f"which cannot be read ({error.strerror}); replace it") from error
        if is_safetensors(head):
            return self._from_safetensors(header_only=header_only)
        # By this suffix torch itself would take any file that it maps for a safetensors file.
        mappable = head.startswith(b"PK\x03\x04") and self.path.suffix != ".safetensors"
        return self._from_torch(head, mapped=header_only and mappable)

    def error(self, rest: str, *, setting: str = "path") -> WeightsError:
        """The error whose sentence goes on with ``rest`` after the place, and after the path where
        that is the ``setting``."""
        place = f"{self.place}.{setting}"
        value = "" if setting != "path" else f"{self.weights.path!r}, "
        return WeightsError(f"`{place}` is {value}{rest}", path=place)

    def _from_safetensors(self, *, header_only: bool) -> dict[str, Tensor]:
        if self.weights.key is not None:
            raise self.error(
                f"{self.weights.key!r}, but {self.weights.path!r} is a safetensors file, which"
                " has no parts; leave it out",
                setting="key",
            )
        try:
            with safe_open(self.path, "pt") as file:
                if not header_only:
                    return {name: file.get_tensor(name) for name in list(file.keys())}
                slices = {name: file.get_slice(name) for name in list(file.keys())}
        except (SafetensorError, OSError, ValueError) as error:
            raise self._damaged(f" ({first_line(error)[:200]})") from error
        return {
            name: torch.empty(
                each.get_shape(),
                # U8, I64, BOOL and the like hold whole numbers.
                dtype=torch.float32 if each.get_dtype().startswith(("F", "BF")) else torch.int64,
                device="meta",
            )
            for name, each in slices.items()
        }

    def _from_torch(self, head: bytes, *, mapped: bool) -> Any:
        if head.startswith(b"\x80") and _OLD_MARK not in head[:64]:
            raise self._refusal(_called_names(self.path))
        try:
            with (
                warnings.catch_warnings(),
                _STAND_INS_LOCK,
                torch.serialization.safe_globals(_STAND_INS),
            ):
                # An unusual pickle draws a warning that does not help the user.
                warnings.simplefilter("ignore")
                if mapped:
                    return torch.load(self.path, map_location="cpu", weights_only=True, mmap=True)
                with self.path.open("rb") as file:
                    return torch.load(file, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            unsafe = self._unsafe_names(error)
            # Torch's own words tell how to open the file unsafely, and are not passed on.
            raise (self._refusal(unsafe) if unsafe else self._damaged("")) from error
        except Exception as error:  # damaged bytes lead the reader to raise anything
            raise self._damaged(f" ({first_line(error)[:200]})") from error

    def _refusal(self, unsafe: list[str]) -> WeightsError:
        if any(name.startswith("torch.nn.modules.") for name in unsafe):
            return self.error(
                "which holds a whole model (torch.save(model)), not its weights: reading it would"
                " run code, and nothing of it was run; where the model's code is, load it and save"
                " its weights alone (torch.save(model.state_dict(), path), or safetensors)"
            )
        if unsafe:
            return self.error(f"which wants to call {some_of(unsafe, 5)}; {_ALONE}")
        return self.error(f"which is a pickle that torch.save does not write; {_ALONE}")

    def _unsafe_names(self, error: pickle.UnpicklingError) -> list[str]:
        """What the file calls for beside tensors and plain data; its pickle is only looked at."""
        named = re.findall(r"GLOBAL ([\w.]+)", str(error))
        try:
            listed = torch.serialization.get_unsafe_globals_in_checkpoint(str(self.path))
        except Exception:  # noqa: BLE001 - of another format, which is looked at here
            listed = _called_names(self.path)
        return sorted({*named, *listed} - {*_PLAIN, *_MAPPINGS})

    def _damaged(self, detail: str) -> WeightsError:
        return self.error(
            "which cannot be read: it is damaged, cut short, or neither a safetensors file nor one"
            f" of torch.save{detail}; fetch it again"
        )


def _called_names(path: Path) -> list[str]:
    """What the pickles of an old file of ``torch.save``, or a bare pickle, call for beside tensors
    and plain data."""
    found: set[str] = set()
    try:
        with path.open("rb") as file:
            while True:  # such a file holds several, one after another, then its numbers
                for code, argument, _ in pickletools.genops(file):
                    if code.name == "GLOBAL":
                        found.add(str(argument).replace(" ", "."))
    except Exception:  # noqa: BLE001 - what follows the pickles leads the reader to raise anything
        found -= {*_PLAIN, *_MAPPINGS}
        return sorted(name for name in found if not _TENSORS.match(name))
