"""Answers questions about one view: reads what is stored, computes the rest in full batches.

Who waits for whom, and who frees them:

| waits    | for                              | freed by                                       |
|----------|----------------------------------|------------------------------------------------|
| a stream | another stream's forward pass    | the end of that pass (``one_at_a_time``)       |
| a stream | a sample that is computed in     | the end of that forward pass, or of its        |
|          | another process (``cache.wait``) | process; ``PATIENCE``, then it looks again     |
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import numpy as np

from students.knowledge import Answer, Columns, Question
from teachers.bank.columns import Ids, Mask
from teachers.bank.sealed_file import CorruptBlocks
from teachers.bank.writer import LiveView

PATIENCE = 1.0
"""Seconds after which a host looks again which process computes what it waits for."""

Part = tuple[Ids, Columns]
"""Columns of some samples, and the positions of these in a question."""


@dataclass
class _Pending:
    """A question under way: which of its samples are ``missing`` [B], what was computed of it,
    in ``seconds``, and how many of its samples were ``computed`` for it."""

    question: Question
    missing: Mask
    parts: list[Part] = field(default_factory=list)
    seconds: float = 0.0
    computed: int = 0


@dataclass
class Batcher:
    """Answers questions about the view of ``cache`` in their order.

    Missing samples are gathered over as many questions as it takes; ``compute`` answers
    ``forward_batch`` of them at a time, and the answers are appended to the ``cache``.
    """

    cache: LiveView
    compute: Callable[[Ids], Columns]
    forward_batch: int
    one_at_a_time: AbstractContextManager[object]
    _pending: deque[_Pending] = field(default_factory=deque, init=False)
    # The keys, in the order in which they were asked for; a dict is an ordered set.
    _missing: dict[int, None] = field(default_factory=dict, init=False)

    def answers(self, questions: Iterable[Question]) -> Iterator[Answer]:
        """An answer to each question, in order, as soon as it is complete."""
        self.cache.refresh()
        for question in questions:
            pending = _Pending(question, ~self.cache.present(question.sample_ids))
            self._pending.append(pending)
            self._add_missing(pending)
            yield from self._complete()
            while len(self._missing) >= self.forward_batch:
                self._run_forward_pass(last=False)
                yield from self._complete()
        while self._missing:
            self._run_forward_pass(last=True)
            yield from self._complete()

    def _add_missing(self, pending: _Pending) -> None:
        ids = pending.question.sample_ids[pending.missing]
        self._missing.update(dict.fromkeys(ids.tolist()))

    def _run_forward_pass(self, *, last: bool) -> None:
        """Computes a batch of what is missing, unless it is stored by now."""
        ids = np.fromiter(self._missing, np.int64, len(self._missing))[: self.forward_batch]
        with self.one_at_a_time:
            claimed = ids[self.cache.claim(ids)]
            try:
                # Looked up once the claim stands: what others computed until then is there now.
                self._drop_stored()
                if len(self._missing) < self.forward_batch and not last:
                    return
                own = [i for i in claimed.tolist() if i in self._missing]
                if own:
                    self._compute_now(np.array(own, np.int64))
            finally:
                self.cache.release(claimed)
        if not own and self._missing:
            self.cache.wait(np.array([next(iter(self._missing))], np.int64), PATIENCE)

    def _drop_stored(self) -> None:
        missing = np.fromiter(self._missing, np.int64, len(self._missing))
        stored = missing[self.cache.present(missing)]
        for pending in self._pending if len(stored) else ():
            pending.missing &= ~np.isin(pending.question.sample_ids, stored)
        for sample in stored.tolist():
            del self._missing[sample]

    def _compute_now(self, ids: Ids) -> None:
        began = time.perf_counter()
        columns = self.compute(ids)
        self.cache.append(ids, columns)
        seconds = time.perf_counter() - began
        uncounted = np.ones(len(ids), np.bool_)
        for pending in self._pending:
            positions, rows = _match(pending, ids)
            if len(positions):
                part = {name: values[rows] for name, values in columns.items()}
                pending.parts.append((positions, part))
                pending.missing[positions] = False
                counted = np.unique(rows)
                pending.computed += int(uncounted[counted].sum())
                uncounted[counted] = False
                pending.seconds += seconds * len(counted) / len(ids)
        for sample in ids.tolist():
            del self._missing[sample]

    def _complete(self) -> Iterator[Answer]:
        """The answers to the first questions, as far as nothing of them is missing."""
        while self._pending and not self._pending[0].missing.any():
            first = self._pending[0]
            try:
                columns = self._columns(first)
            except CorruptBlocks:
                # What the block held is missing now.
                first.parts.clear()
                first.missing = ~self.cache.present(first.question.sample_ids)
                self._add_missing(first)
                continue
            self._pending.popleft()
            yield Answer(columns, first.seconds, first.computed)

    def _columns(self, pending: _Pending) -> Columns:
        ids = pending.question.sample_ids
        stored = np.ones(len(ids), np.bool_)
        for positions, _ in pending.parts:
            stored[positions] = False
        parts = list(pending.parts)
        if stored.any():
            parts.append((np.flatnonzero(stored), self.cache.read(ids[stored])))
        first = parts[0][1]
        if len(parts) == 1:
            return first
        whole = {
            name: np.empty((len(ids), *each.shape[1:]), np.float16) for name, each in first.items()
        }
        for positions, columns in parts:
            for name, values in columns.items():
                whole[name][positions] = values
        return whole


def _match(pending: _Pending, ids: Ids) -> tuple[Ids, Ids]:
    """The positions in a question that lack one of ``ids`` [N], and the row of each in ``ids``."""
    positions = np.flatnonzero(pending.missing)
    order = np.argsort(ids)
    samples = pending.question.sample_ids[positions]
    rows = order[np.minimum(np.searchsorted(ids, samples, sorter=order), len(ids) - 1)]
    same = ids[rows] == samples
    return positions[same], rows[same]
