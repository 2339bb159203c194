"""Small shelves, and answers that are a function of the sample alone."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from teachers.bank.columns import Column, Halves
from teachers.bank.shelf import BANK_FORMAT, Shelf, identity_of, prepare_shelf, shelf_digest
from teachers.bank.writer import LiveView

SAMPLES = 1000
CLASSES = 10
LOGITS = Column("logits", (CLASSES,))
TAP = Column("tap.layer3:pool", (4, 2))

Ids = npt.NDArray[np.int64]


def about(**changed: Any) -> dict[str, Any]:
    """What a shelf says of itself, but for what is ``changed``."""
    return {"format": BANK_FORMAT, "teacher": "wide", "model": {"kind": "mlp"}, **changed}


def shelf_in(
    home: Path,
    *columns: Column,
    samples: int = SAMPLES,
    budget: int = 10**9,
    inference: dict[str, Any] | None = None,
    **changed: Any,
) -> Shelf:
    """A shelf that is ready in the bank of ``home``."""
    own = about(**changed)
    folder = home / "bank" / shelf_digest(own)
    prepare_shelf(folder, own)
    return Shelf(folder, identity_of(own, inference or {}), samples, budget, columns or (LOGITS,))


def ids_of(*ids: int) -> Ids:
    return np.array(ids, np.int64)


def some(count: int, seed: int = 0) -> Ids:
    """That many of the samples, shuffled, each once."""
    return np.random.default_rng(seed).permutation(SAMPLES)[:count].astype(np.int64)


def answers(ids: Ids, column: Column = LOGITS, *, teacher: int = 0) -> Halves:
    """What a teacher answers [B, *shape]; another ``teacher``, other answers."""
    size = int(np.prod(column.shape))
    places = np.arange(size) + 1
    flat = np.sin(ids[:, None] * 0.7 * places + teacher) * 8
    return flat.astype(np.float16).reshape(len(ids), *column.shape)


def append(view: LiveView, ids: Ids, *columns: Column, teacher: int = 0) -> None:
    of = columns or (LOGITS,)
    view.append(ids, {each.name: answers(ids, each, teacher=teacher) for each in of})


def fill(shelf: Shelf, view: int, ids: Ids, *, teacher: int = 0, at_once: int = 64) -> None:
    """Answers ``ids`` as a host does, and seals them."""
    fresh = LiveView(shelf, view)
    for start in range(0, len(ids), at_once):
        append(fresh, ids[start : start + at_once], *shelf.columns, teacher=teacher)
    fresh.close()
    assert fresh.trouble == ""


def flip(path: Path, at: int) -> None:
    """Flips one bit of a file; a place below 0 counts from its end."""
    content = bytearray(path.read_bytes())
    content[at] ^= 4
    path.write_bytes(content)


def in_child(work: Callable[[], None]) -> int:
    """Does ``work`` in a forked process; its exit status, below 0 where a signal ended it."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:  # noqa: BLE001 - the parent cannot see it
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
