"""JSON files of a home, each with a checksum: one that has changed since it was written is not
believed.

A file that holds neither of the two keys of a checksum was written before there was one, and is
taken as it is. What is damaged is reported once, and made again where it is needed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from cluster.errors import first_line
from students.durable_files import write_atomically

log = logging.getLogger("stillhouse.home")

_KIND, _CHECKSUM = "checksum_kind", "checksum"
_SHA256 = "sha256"
_LINE_END = b',"crc32":'

T = TypeVar("T")


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Replaces a file as a whole by ``value`` with its checksum."""
    write_atomically(path, json_bytes(value))


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """The content of a file that holds ``value`` with its checksum."""
    checked = {**value, _KIND: _SHA256, _CHECKSUM: _checksum(value)}
    return (json.dumps(checked, indent=1) + "\n").encode()


def read_json(path: Path) -> dict[str, Any]:
    """What ``write_json`` has stored.

    Raises:
        OSError: there is no such file.
        ValueError: it is damaged.
    """
    return parse_json(path.read_bytes())


def parse_json(content: bytes | str) -> dict[str, Any]:
    """What the content of a file holds, without its checksum.

    Raises:
        ValueError: it is damaged.
    """
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError("it is not JSON") from error
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object")
    kind, given = value.pop(_KIND, None), value.pop(_CHECKSUM, None)
    if (kind, given) != (None, None) and (kind, given) != (_SHA256, _checksum(value)):
        raise ValueError("it does not match its checksum")
    return value


def read_or_report(path: Path, parse: Callable[[dict[str, Any]], T], consequence: str) -> T | None:
    """What ``parse`` makes of what ``write_json`` has stored; none where there is no such file, or
    where it is damaged, which is reported with its ``consequence``."""
    try:
        return parse(read_json(path))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        report_damage(path, reason_of(error), consequence)
        return None


def canonical_json(value: Any) -> bytes:
    """The same bytes for the same data, whatever the order of their keys."""
    stored = json.loads(json.dumps(value))
    return json.dumps(stored, sort_keys=True, separators=(",", ":")).encode()


def line_bytes(value: Mapping[str, Any]) -> bytes:
    """One line of a log with its checksum."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
    return b"%s%s%d}\n" % (text[:-1], _LINE_END, zlib.crc32(text))


def parse_line(line: bytes) -> dict[str, Any]:
    """What ``line_bytes`` was given.

    Raises:
        ValueError: the line is damaged.
    """
    text, end, given = line.rstrip(b"\n").rpartition(_LINE_END)
    if end:
        line = text + b"}"
        if given != b"%d}" % zlib.crc32(line):
            raise ValueError("a line does not match its checksum")
    value = json.loads(line)
    if not isinstance(value, dict):
        raise ValueError("a line is not a JSON object")
    return value


@cache
def warn_once(sentence: str) -> None:
    """Warns of something in the home, once in a process."""
    log.warning("%s", sentence)


def report_damage(path: Path, reason: str, consequence: str) -> None:
    """Warns that a file is damaged, and of what follows from that."""
    warn_once(f"`{path}` is damaged ({reason}); {consequence}")


def reason_of(error: Exception) -> str:
    """An error in reading a file, in a few words."""
    if isinstance(error, OSError):
        return (error.strerror or "it cannot be read").lower()
    if isinstance(error, (KeyError, TypeError)):
        return "it does not hold what it should"
    return first_line(error)


def _checksum(value: Mapping[str, Any]) -> str:
    """The sha256, in hex, of the same bytes for the same value, however it is laid out."""
    return hashlib.sha256(canonical_json(value)).hexdigest()
