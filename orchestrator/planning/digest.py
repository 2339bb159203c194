"""The digest of plain data: its canonical JSON, hashed."""

from __future__ import annotations

import hashlib
import json
from typing import Any

LENGTH = 32
"""Hexadecimal digits kept of a SHA-256: 128 bits, enough to rule out collisions."""


def digest_of(data: Any) -> str:
    """The digest of plain data (mappings, lists, strings, numbers, booleans, none).

    Equal data give equal digests whatever the order of their keys.

    Raises:
        TypeError: something in it is not plain data.
    """
    text = json.dumps(
        data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]
