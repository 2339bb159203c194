"""Functions from a Python file beside the recipe, and a wrapper for all that runs of it."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from cluster.errors import first_line
from students.errors import UserError

_PREFIX = "_stillhouse_custom_"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)

ONE_AT_A_TIME = threading.RLock()
"""Held by a thread that changes what the process has one of. Else another one could be given a
module that is still run, keep as the process's own what was changed, or draw from a generator that
is seeded for something else."""


class EndsProcess(Exception):
    """The user's own code would have ended the process."""

    def __init__(self, code: object) -> None:
        super().__init__(f"SystemExit({'' if code is None else repr(code)})")


def file_of(source: str, folder: Path) -> Path:
    """The file in ``file.py:function``; a relative path is taken from ``folder``."""
    return (folder / Path(source.rpartition(":")[0]).expanduser()).resolve()


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
    with ONE_AT_A_TIME:
        function = getattr(_module(source, path, text, rerun=rerun), name, None)
    if not callable(function):
        raise _problem(
            source,
            f"that file has no function {name!r}; write it there, or name the one that is meant",
        )
    found: Callable[..., Any] = function
    return found


@contextmanager
def user_code(source: str = "") -> Iterator[None]:
    """Runs the user's own code, ``file.py:function``, as a program without arguments would be, and
    restores what it changes for the whole process: the working directory, what signals do, filters
    of warnings, and torch's defaults. One thread at a time.

    Raises:
        EndsProcess: it calls ``sys.exit`` or ends in another way.
    """
    with ONE_AT_A_TIME, ExitStack() as kept:
        kept.enter_context(warnings.catch_warnings())
        kept.callback(setattr, sys, "argv", sys.argv)
        sys.argv = [source.rpartition(":")[0]]
        with suppress(OSError):  # It was deleted.
            kept.callback(os.chdir, Path.cwd())
        if threading.current_thread() is threading.main_thread():
            for each in _SIGNALS:
                if (handler := signal.getsignal(each)) is not None:
                    kept.callback(signal.signal, each, handler)
        if (torch := sys.modules.get("torch")) is not None:
            kept.callback(torch.set_default_dtype, torch.get_default_dtype())
            kept.callback(torch.set_grad_enabled, torch.is_grad_enabled())
            kept.callback(torch.set_num_threads, torch.get_num_threads())
        try:
            yield
        except SystemExit as end:
            raise EndsProcess(end.code) from end


@contextmanager
def custom_code_errors(path: str) -> Iterator[None]:
    """Raises what the user's own code raises as a sentence with the place in the user's file; any
    other error as it is. ``path`` is the model's place in the recipe.

    Raises:
        UserError: the user's code has raised an error.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        place = place_in_custom_code(error)
        if place is None or isinstance(error, UserError):
            raise
        ends = isinstance(error, SystemExit)
        raised = "ends the process (SystemExit)" if ends else f"raises {type(error).__name__}"
        raise UserError(
            f"`{path}` cannot be computed: the code at {place} {raised}: {first_line(error)}; "
            "correct it",
            path=path,
        ) from error


def place_in_custom_code(error: BaseException) -> str | None:
    """Where in the user's own code ``error`` was raised, ``file.py:12`` (the innermost place);
    none if it was raised elsewhere. What ended the process has its place in the cause."""
    files = {
        module.__file__ for name, module in list(sys.modules.items()) if name.startswith(_PREFIX)
    }
    found = None
    raised = (error.__cause__ or error) if isinstance(error, EndsProcess) else error
    for frame, line in traceback.walk_tb(raised.__traceback__):
        if frame.f_code.co_filename in files:
            found = f"{frame.f_code.co_filename}:{line}"
    return found


def described(error: BaseException) -> str:
    """What the user's own code has raised: its kind, its place there if that is known, and the
    first line of its message."""
    place = place_in_custom_code(error)
    at = "" if place is None else f" at {place}"
    if isinstance(error, EndsProcess):
        return f"{error}{at}"
    return f"{type(error).__name__}{at}: {first_line(error)}"


def _read(source: str, folder: Path) -> tuple[Path, bytes]:
    path = file_of(source, folder)
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
    complete = False
    try:
        with user_code(source), _torch_as_at_the_start():
            # Compiled from the very bytes that were hashed; nothing is cached on the disk.
            exec(compile(text, str(path), "exec"), module.__dict__)
    except Exception as error:  # a user's code may raise anything
        raise _problem(source, _why_not_run(error)) from error
    else:
        complete = True
    finally:
        if not complete:  # It has failed, or was interrupted.
            del sys.modules[name]
    return module


@contextmanager
def _torch_as_at_the_start() -> Iterator[None]:
    """What a file does as it is run is the same whenever that is: in the middle of a model's
    construction, say, which draws from a generator and may allocate nothing."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        yield


def _why_not_run(error: Exception) -> str:
    if isinstance(error, EndsProcess):
        return (
            f"running the file ends the process ({described(error)}); put what it does as a "
            'program under `if __name__ == "__main__":`'
        )
    remedy = "correct it"
    if isinstance(error, ModuleNotFoundError):
        remedy = "install that module; if it is a file beside the recipe, put all in one file"
    return f"running the file raises {described(error)}; {remedy}"


def _problem(source: str, what: str) -> UserError:
    return UserError(f"`source` is {source!r}, but {what}", path="source")
