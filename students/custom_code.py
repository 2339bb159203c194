"""Functions from a Python file beside the recipe."""

from __future__ import annotations

import hashlib
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from students.errors import UserError

_PREFIX = "_stillhouse_custom_"


def source_digest(source: str, folder: Path) -> str:
    """The sha256 of the file in ``file.py:function``; a relative path is taken from ``folder``.

    Raises:
        UserError: the file does not exist or cannot be read.
    """
    return hashlib.sha256(_read(source, folder)[1]).hexdigest()


def load_function(source: str, folder: Path, *, rerun: bool = False) -> Callable[..., Any]:
    """The function that ``file.py:function`` names.

    The file is run once per contents, or each time with ``rerun``, as a module with a private
    name. No folder is added to ``sys.path``, so a file beside the recipe can replace no other
    module, and nothing is written beside it.

    Raises:
        UserError: the file or the function does not exist, or the file cannot be run.
    """
    path, text = _read(source, folder)
    name = source.rpartition(":")[2]
    function = getattr(_module(source, path, text, rerun=rerun), name, None)
    if not callable(function):
        raise _problem(
            source,
            f"that file has no function {name!r}; write it there, or name the one that is meant",
        )
    found: Callable[..., Any] = function
    return found


@contextmanager
def custom_code_errors(path: str) -> Iterator[None]:
    """Raises what the user's own code raises as a sentence with the place in the user's file; any
    other error as it is. ``path`` is the model's place in the recipe.

    Raises:
        UserError: the user's code has raised an error.
    """
    try:
        yield
    except Exception as error:
        place = _place_in_custom_code(error)
        if place is None or isinstance(error, UserError):
            raise
        raise UserError(
            f"`{path}` cannot be computed: the code at {place} raises {type(error).__name__}: "
            f"{error}; correct it",
            path=path,
        ) from error


def _place_in_custom_code(error: BaseException) -> str | None:
    """Where in the user's own code ``error`` was raised, ``file.py:12`` (the innermost place);
    none if it was raised elsewhere."""
    files = {
        module.__file__ for name, module in list(sys.modules.items()) if name.startswith(_PREFIX)
    }
    found = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename in files:
            found = f"{frame.f_code.co_filename}:{line}"
    return found


def _read(source: str, folder: Path) -> tuple[Path, bytes]:
    path = (folder / Path(source.rpartition(":")[0]).expanduser()).resolve()
    try:
        return path, path.read_bytes()
    except OSError as error:
        what = "does not exist" if isinstance(error, FileNotFoundError) else "cannot be read"
        raise _problem(
            source, f"{str(path)!r} {what}; give file.py:function, the file relative to the recipe"
        ) from error


def _module(source: str, path: Path, text: bytes, *, rerun: bool) -> ModuleType:
    identity = hashlib.sha256(str(path).encode() + b"\0" + text).hexdigest()
    name = f"{_PREFIX}{identity[:32]}"
    if name in sys.modules and not rerun:
        return sys.modules[name]
    module = ModuleType(name)
    module.__file__ = str(path)
    # Data classes and pickles look their module up by its name while the file still runs.
    sys.modules[name] = module
    try:
        # Compiled from the very bytes that were hashed; nothing is cached on the disk.
        exec(compile(text, str(path), "exec"), module.__dict__)
    except Exception as error:  # a user's code may raise anything
        del sys.modules[name]
        remedy = "correct it"
        if isinstance(error, ModuleNotFoundError):
            remedy = "install that module; if it is a file beside the recipe, put all in one file"
        raise _problem(
            source, f"running the file raises {type(error).__name__}: {error}; {remedy}"
        ) from error
    return module


def _problem(source: str, what: str) -> UserError:
    return UserError(f"`source` is {source!r}, but {what}", path="source")
