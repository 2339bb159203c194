"""What anybody has stored of one view up to this moment, and where new answers go.

| who waits                | for what                | who frees it                              |
|--------------------------|-------------------------|-------------------------------------------|
| ``wait`` of a FreshView  | answers others compute  | their ``append``, ``close``, death; time  |
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from teachers.bank.claims import Claims
from teachers.bank.column_writer import FreshColumn
from teachers.bank.columns import Halves
from teachers.bank.compaction import seal, trouble_of
from teachers.bank.journal import Ids
from teachers.bank.layout import view_folder
from teachers.bank.shelf import Shelf

_LOOK_AGAIN_SECONDS = 0.005


class FreshView:
    """One view of a shelf, for who computes answers to it; threads may share it.

    It sees what is sealed and, as of the last ``refresh``, what all living writers have stored.
    ``trouble`` is "" or the sentence that says why nothing is stored any more; ``written`` counts
    the answers that were appended. What nobody else
    is computing is told by ``claim``; the rest is worth a ``wait``.
    """

    def __init__(self, shelf: Shelf, view: int) -> None:
        self.trouble = ""
        self.written = 0
        self._shelf = shelf
        self._view = view
        self._columns = [FreshColumn(shelf, view, column) for column in shelf.columns]
        self._changed = threading.Condition(threading.RLock())
        self._claims: Claims | None = None
        self._open = True
        self.refresh()

    def refresh(self) -> None:
        """Takes in what others have stored since."""
        with self._changed:
            for column in self._columns:
                column.refresh()

    def present(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """Whether the answers to ``ids`` [B] are stored, in all columns, and can be read."""
        found = np.ones(len(ids), np.bool_)
        with self._changed:
            for column in self._columns:
                found &= column.present(ids)
        return found

    def read(self, ids: Ids) -> dict[str, Halves]:
        """By column the values [B, *shape] of ``ids`` [B], all of which are present."""
        with self._changed:
            return {column.name: column.read(ids) for column in self._columns}

    def claim(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """Which of ``ids`` [B] are to be computed here: neither stored by now nor claimed.

        Their claim ends with ``append`` (or ``release``). Refreshes before it decides.
        """
        with self._changed:
            claims = self._open_claims()
            granted = claims.take(ids)
            # Looked at after claiming: what another stored before it let go is found now.
            self.refresh()
            stored = granted & self.present(ids)
            claims.let_go(ids[stored])
            return granted & ~stored

    def release(self, ids: Ids) -> None:
        """Ends the claims on ``ids`` [B], which will not be computed here after all."""
        with self._changed:
            if self._claims is not None:
                self._claims.let_go(ids)
            self._changed.notify_all()

    def wait(self, ids: Ids, seconds: float) -> None:
        """Waits until nobody is computing any of ``ids`` any more, ``seconds`` at most; then
        refreshes. Whoever has claims of its own must not wait, lest two wait for each other.
        """
        end = time.monotonic() + seconds
        with self._changed:
            claims = self._open_claims()
            for id_ in ids.tolist():
                while claims.claimed(id_) and (left := end - time.monotonic()) > 0:
                    self._changed.wait(min(left, _LOOK_AGAIN_SECONDS))
            self.refresh()

    def append(self, ids: Ids, values: Mapping[str, Halves]) -> None:
        """Stores what is new of the answers [B, *shape] to ``ids`` [B], by column.

        A disk that is full, or may not be written, raises nothing: see ``trouble``.
        """
        with self._changed:
            self.written += len(ids)
            try:
                for column in self._columns:
                    if not self.trouble:
                        column.append(ids, values[column.name])
            except OSError as error:
                self.trouble = trouble_of(self._shelf, error)
            self.release(ids)

    def close(self) -> None:
        """Ends writing, and seals what is stored unless somebody else is at it."""
        with self._changed:
            if not self._open:
                return
            self._open = False
            wrote = [column.close() for column in self._columns]
            if self._claims is not None:
                self._claims.close()
        if any(wrote):
            self.trouble = self.trouble or seal(self._shelf, self._view).trouble

    def _open_claims(self) -> Claims:
        if self._claims is None:
            self._claims = Claims(view_folder(self._shelf.folder, self._view))
        return self._claims
