"""Says rates and times as people read them."""

from __future__ import annotations


def per_second(rate: float | None) -> str:
    """A rate with three figures: ``1,640``, ``12.3``; ``-`` where there is none."""
    if rate is None:
        return "-"
    return f"{float(f'{rate:.3g}'):,.0f}" if rate >= 100 else f"{rate:.3g}"


def duration(seconds: float) -> str:
    """Seconds as people say them: ``0.4 s``, ``35 s``, ``14 min``, ``3.2 h``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
