"""Formats rates, times and sizes for people to read."""

from __future__ import annotations

_UNIT = 1000.0


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
    if size < _UNIT:
        return f"{size} bytes"
    value, units = float(size), ["kB", "MB", "GB", "TB"]
    unit = "bytes"
    while units and value >= _UNIT - 0.05:
        value, unit = value / _UNIT, units.pop(0)
    return f"{value:.1f} {unit}"
