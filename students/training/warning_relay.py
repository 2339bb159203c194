"""Collects the warnings that are logged in a student's rank, for the run's watcher."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

LOGGER = "stillhouse"
_MOST = 100


@contextmanager
def collect_warnings() -> Iterator[deque[str]]:
    """The latest warnings of our own loggers, in order, while open; reading removes them."""
    messages: deque[str] = deque(maxlen=_MOST)
    handler, logger = logging.Handler(logging.WARNING), logging.getLogger(LOGGER)
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(handler)
    try:
        yield messages
    finally:
        logger.removeHandler(handler)
