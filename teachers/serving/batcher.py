"""Answers questions about one view: what is known is looked up, the rest computed many at a time.

Who waits for whom, and who frees them:

| waits    | for                              | freed by                                       |
|----------|----------------------------------|------------------------------------------------|
| a stream | another stream's forward pass    | the end of that pass (``one_at_a_time``)       |
| a stream | a sample that is computed in     | the end of that forward pass, or of its        |
|          | another process (``Book.wait``)  | process; a second, after which it looks again  |
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from students.knowledge import Question
from teachers.bank.sealed_file import BlocksSpoilt
from teachers.serving.view_cache import Book, Values

Ids = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Compute = Callable[[Ids, int], Values]


@dataclass
class Waiting:
    """A question under way: samples that are still ``absent`` [B], and what was computed for it,
    each part with its places in the question."""

    question: Question
    absent: Mask
    parts: list[tuple[Ids, Values]] = field(default_factory=list)
    seconds: float = 0.0
    computed: int = 0


@dataclass(frozen=True)
class Found:
    """What is known of one question: ``values`` by column, float16 [B, ...]; ``computed`` of its
    samples took ``seconds``."""

    values: Values
    seconds: float
    computed: int


class Answering:
    """Answers questions about ``view`` in order.

    ``forward_batch`` missing samples are computed at a time, gathered over as many questions as
    it takes; what is computed goes into the ``book``.
    """

    def __init__(
        self,
        view: int,
        book: Book,
        compute: Compute,
        forward_batch: int,
        one_at_a_time: AbstractContextManager[object],
    ) -> None:
        self._view = view
        self._book = book
        self._compute = compute
        self._batch = forward_batch
        self._one_at_a_time = one_at_a_time
        self._waiting: deque[Waiting] = deque()
        # In the order in which they were asked for; no value is kept.
        self._missing: dict[int, None] = {}

    def answers(self, questions: Iterable[Question]) -> Iterator[Found]:
        """What is known of each question, in order, once it is."""
        self._book.refresh()
        for question in questions:
            absent = ~self._book.present(question.sample_ids)
            self._miss(question.sample_ids[absent])
            self._waiting.append(Waiting(question, absent))
            yield from self._ready()
            while len(self._missing) >= self._batch:
                self._make_a_pass(last=False)
                yield from self._ready()
        while self._missing:
            self._make_a_pass(last=True)
            yield from self._ready()

    def _miss(self, ids: Ids) -> None:
        self._missing.update(dict.fromkeys(ids.tolist()))

    def _make_a_pass(self, *, last: bool) -> None:
        """Computes a batch of what is missing, unless it is there by now."""
        ids = np.fromiter(self._missing, np.int64, len(self._missing))[: self._batch]
        with self._one_at_a_time, self._book.claimed(ids) as mine:
            # Looked up once the claim stands: what others computed until then is there now.
            self._take_what_came()
            if len(self._missing) < self._batch and not last:
                return
            ours = [i for i in ids[mine].tolist() if i in self._missing]
            if ours:
                self._compute_now(np.array(ours, np.int64))
        if not ours and self._missing:
            self._book.wait(next(iter(self._missing)))

    def _take_what_came(self) -> None:
        missing = np.fromiter(self._missing, np.int64, len(self._missing))
        came = missing[self._book.present(missing)]
        if len(came) == 0:
            return
        for waiting in self._waiting:
            waiting.absent &= ~np.isin(waiting.question.sample_ids, came)
        for sample in came.tolist():
            del self._missing[sample]

    def _compute_now(self, ids: Ids) -> None:
        began = time.perf_counter()
        values = self._compute(ids, self._view)
        self._book.append(ids, values)
        seconds = time.perf_counter() - began
        uncounted = np.ones(len(ids), np.bool_)
        for waiting in self._waiting:
            places, rows = _shared(waiting, ids)
            if len(places):
                part = {name: each[rows] for name, each in values.items()}
                waiting.parts.append((places, part))
                waiting.absent[places] = False
                counted = np.unique(rows)
                waiting.computed += int(uncounted[counted].sum())
                uncounted[counted] = False
                waiting.seconds += seconds * len(counted) / len(ids)
        for sample in ids.tolist():
            del self._missing[sample]

    def _ready(self) -> Iterator[Found]:
        while self._waiting and not self._waiting[0].absent.any():
            first = self._waiting[0]
            try:
                values = self._values(first)
            except BlocksSpoilt:
                self._look_again(first)
                continue
            self._waiting.popleft()
            yield Found(values, first.seconds, first.computed)

    def _values(self, waiting: Waiting) -> Values:
        ids = waiting.question.sample_ids
        stored = np.ones(len(ids), np.bool_)
        for places, _ in waiting.parts:
            stored[places] = False
        if stored.all():
            return self._book.read(ids)
        parts = list(waiting.parts)
        if stored.any():
            parts.append((np.flatnonzero(stored), self._book.read(ids[stored])))
        return {name: _joined(len(ids), parts, name) for name in parts[0][1]}

    def _look_again(self, waiting: Waiting) -> None:
        """A block was spoilt and is no longer there: what it held is missing."""
        ids = waiting.question.sample_ids
        waiting.parts.clear()
        waiting.absent = ~self._book.present(ids)
        self._miss(ids[waiting.absent])


def _shared(waiting: Waiting, ids: Ids) -> tuple[Ids, Ids]:
    """Where the question still lacks one of ``ids`` [N], and which of these each place lacks."""
    places = np.flatnonzero(waiting.absent)
    order = np.argsort(ids)
    found = np.searchsorted(ids, waiting.question.sample_ids[places], sorter=order)
    rows = order[np.minimum(found, len(ids) - 1)]
    same = ids[rows] == waiting.question.sample_ids[places]
    return places[same], rows[same]


def _joined(
    samples: int, parts: list[tuple[Ids, Mapping[str, npt.NDArray[np.float16]]]], name: str
) -> npt.NDArray[np.float16]:
    """One column of a whole question [samples, ...] from its parts."""
    first = parts[0][1][name]
    if len(parts) == 1:
        return first
    whole = np.empty((samples, *first.shape[1:]), np.float16)
    for places, values in parts:
        whole[places] = values[name]
    return whole
