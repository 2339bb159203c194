"""Carries warnings of a student's rank to whoever watches it."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

LOGGER = "stillhouse"


class Notices(logging.Handler):
    """Keeps the latest warnings until they are taken."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._kept: deque[str] = deque(maxlen=100)

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps one warning."""
        self._kept.append(record.getMessage())

    def taken(self) -> Iterator[str]:
        """Each warning once, in order."""
        while self._kept:
            yield self._kept.popleft()


@contextmanager
def noticing() -> Iterator[Notices]:
    """Collects the warnings of our own loggers while open."""
    notices, logger = Notices(), logging.getLogger(LOGGER)
    logger.addHandler(notices)
    try:
        yield notices
    finally:
        logger.removeHandler(notices)
