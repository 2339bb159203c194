"""One view of a shelf for a process that computes answers: reads what all have stored, appends.

| who waits              | for what                | who frees it                              |
|------------------------|-------------------------|-------------------------------------------|
| ``LiveView.wait``      | answers others compute  | their ``append``, ``close``, death; time  |
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import numpy as np

from teachers.bank.columns import Halves, Ids, Mask
from teachers.bank.compaction import seal, write_trouble
from teachers.bank.locks import Claims
from teachers.bank.merged_column import ColumnFiles, LiveColumn
from teachers.bank.shelf import Shelf

_POLL_SECONDS = 0.005


class LiveView:
    """The answers to one view, for a process that computes them; threads may share it.

    It has what is sealed and, as of the last ``refresh``, what all living writers have stored.
    ``trouble`` is "" or the sentence that says why nothing is stored any more; ``written`` counts
    the answers that were appended. To compute an answer is granted by ``claim``; the others are
    being computed elsewhere, which ``wait`` waits for.
    """

    def __init__(self, shelf: Shelf, view: int) -> None:
        self.trouble = ""
        self.written = 0
        self._shelf = shelf
        self._view = view
        self._columns = [LiveColumn(ColumnFiles(shelf, view, each)) for each in shelf.columns]
        self._changed = threading.Condition(threading.RLock())
        self._claims: Claims | None = None
        self._open = True
        self.refresh()

    def refresh(self) -> None:
        """Reads what others have stored since."""
        with self._changed:
            for column in self._columns:
                column.refresh()

    def present(self, ids: Ids) -> Mask:
        """Whether the answers to ``ids`` [B] are stored, in all columns, and can be read."""
        found = np.ones(len(ids), np.bool_)
        with self._changed:
            for column in self._columns:
                found &= column.present(ids)
        return found

    def read(self, ids: Ids) -> dict[str, Halves]:
        """By column the values [B, *shape] of ``ids`` [B], all of which are present.

        Raises:
            CorruptBlocks: some were damaged since, and are not present any more.
        """
        with self._changed:
            return {each.files.column.name: each.read(ids) for each in self._columns}

    def claim(self, ids: Ids) -> Mask:
        """Which of ``ids`` [B] are to be computed here: neither stored by now nor claimed.

        Their claim ends with ``append`` (or ``release``). Refreshes before it decides.
        """
        with self._changed:
            claims = self._open_claims()
            granted = claims.take(ids)
            # Read after claiming: what another writer stored before its claim ended is found.
            self.refresh()
            stored = granted & self.present(ids)
            claims.release(ids[stored])
            return granted & ~stored

    def release(self, ids: Ids) -> None:
        """Ends the claims on ``ids`` [B], which will not be computed here after all."""
        with self._changed:
            if self._claims is not None:
                self._claims.release(ids)
            self._changed.notify_all()

    def wait(self, ids: Ids, seconds: float) -> None:
        """Waits until no writer is computing any of ``ids`` [B], ``seconds`` at most; then
        refreshes. A writer that has claims must not wait, lest two wait for each other.
        """
        end = time.monotonic() + seconds
        with self._changed:
            claims = self._open_claims()
            for id_ in ids.tolist():
                while claims.is_claimed(id_) and (left := end - time.monotonic()) > 0:
                    self._changed.wait(min(left, _POLL_SECONDS))
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
                        column.append(ids, values[column.files.column.name])
            except OSError as error:
                self.trouble = write_trouble(self._shelf, error)
            self.release(ids)

    def close(self) -> None:
        """Ends writing, and seals what is stored unless another process is sealing."""
        with self._changed:
            if not self._open:
                return
            self._open = False
            has_written = [column.close() for column in self._columns]
            if self._claims is not None:
                self._claims.close()
        if any(has_written):
            self.trouble = self.trouble or seal(self._shelf, self._view)

    def _open_claims(self) -> Claims:
        if self._claims is None:
            self._claims = Claims(self._shelf.view_folder(self._view))
        return self._claims
