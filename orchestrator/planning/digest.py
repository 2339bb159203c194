"""A digest: what was asked for, in one canonical spelling, hashed."""

from __future__ import annotations

import hashlib
import json
from typing import Any

LENGTH = 32
"""Hexadecimal digits kept of a SHA-256: 128 bits, more than enough never to meet another."""


def digest_of(what: Any) -> str:
    """The digest of plain data (mappings, lists, strings, numbers, booleans, none).

    Equal data give equal digests whatever the order of their keys.

    Raises:
        TypeError: something in it has no canonical spelling.
    """
    spelled = json.dumps(
        what, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )
    return hashlib.sha256(spelled.encode()).hexdigest()[:LENGTH]
