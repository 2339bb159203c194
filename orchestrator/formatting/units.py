"""Formats rates, times and sizes for people to read, counts with their nouns."""

from __future__ import annotations


def format_rate(rate: float | None) -> str:
    """A rate with three figures: ``1,640``, ``12.3``; ``-`` where there is none."""
    if rate is None:
        return "-"
    return f"{float(f'{rate:.3g}'):,.0f}" if rate >= 100 else f"{rate:.3g}"


def format_duration(seconds: float) -> str:
    """A time in its natural unit: ``0.4 s``, ``35 s``, ``14 min``, ``3.2 h``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def format_bytes(size: int) -> str:
    """A size in its natural unit: ``0 bytes``, ``12.3 MB``."""
    if size < 1000:
        return f"{size} bytes"
    value, units = size / 1000, ["kB", "MB", "GB", "TB"]
    while len(units) > 1 and value >= 999.95:
        value, units = value / 1000, units[1:]
    return f"{value:.1f} {units[0]}"


def counted(count: int, noun: str, plural: str = "") -> str:
    """``1 file``, ``3 files``; ``plural`` where it is not the noun and an s."""
    return f"1 {noun}" if count == 1 else f"{count} {plural or noun + 's'}"
