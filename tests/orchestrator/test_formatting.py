"""Claims about rates, times and sizes in text."""

from __future__ import annotations

import pytest

from orchestrator.formatting import format_bytes, format_duration, format_rate, writable


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_960, "1.0 MB"),
        (3 * 10**15, "3000.0 TB"),
    ],
)
def test_sizes_have_their_natural_unit(size: int, text: str) -> None:
    assert format_bytes(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.36, "0.4 s"), (35.2, "35 s"), (840, "14 min"), (11_500, "3.2 h")]
)
def test_times_have_their_natural_unit(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(("rate", "text"), [(None, "-"), (12.34, "12.3"), (1638.4, "1,640")])
def test_rates_have_three_figures(rate: float | None, text: str) -> None:
    assert format_rate(rate) == text


def test_characters_that_no_encoding_has_or_that_break_lines_are_escaped() -> None:
    assert writable("caf\u00e9 \u732b $|`") == "caf\u00e9 \u732b $|`"
    assert writable("\udcff\n\x1b[31m\u202e\u2028") == r"\udcff\n\x1b[31m\u202e\u2028"
