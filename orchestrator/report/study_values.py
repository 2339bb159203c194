"""Values of a study in tables, sentences and pictures: scores, and what was drawn."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.results.run_report import ModelReport
from search.config import LEARNED

_PARTS = re.compile(r"[^.\[\]]+")

SCORE_NAMES = {
    "accuracy": "accuracy, %",
    "nll": "NLL",
    "parameters": "parameters",
    "macs": "MACs",
    "bytes": "bytes",
    "latency_ms": "latency, ms",
}
"""What scores are called in headers and on axes."""

_COUNTS = ("parameters", "macs", "bytes")


def score_title(name: str) -> str:
    """A score on an axis."""
    return f"validation {SCORE_NAMES[name]}" if name in LEARNED else SCORE_NAMES[name]


def score_column(name: str) -> str:
    """A score that only training shows, in a header after its part."""
    return "%" if name == "accuracy" else SCORE_NAMES[name]


def reference_score(model: ModelReport, name: str) -> float | None:
    """A score of a reference, of the validation part; none where it was not measured."""
    if name in LEARNED:
        value = getattr(model.validation, name, None)
        return None if value is None else float(value)
    return model.latency_ms.get("1") if name == "latency_ms" else float(getattr(model, name))


def format_score(name: str, value: float | None) -> str:
    """A score as a table has it: accuracy in percent, counts with commas; ``-`` for none."""
    if value is None:
        return "-"
    if name == "accuracy":
        return f"{100 * value:.2f}"
    if name in _COUNTS:
        return f"{value:,.0f}"
    return f"{value:.4f}" if name == "nll" else f"{value:.3g}"


def score_text(name: str, value: float) -> str:
    """A score in a sentence: ``accuracy 95.56 %``, ``1,210 parameters``."""
    number = format_score(name, value)
    if name == "accuracy":
        return f"accuracy {number} %"
    if name in _COUNTS:
        return f"{number} {SCORE_NAMES[name]}"
    return f"NLL {number}" if name == "nll" else f"latency {number} ms"


def short_names(names: Iterable[str]) -> dict[str, str]:
    """The end of each dotted path that no other one has, beginning with a word:
    ``soft_targets.weight``, ``hidden.0``."""
    parts = {name: _PARTS.findall(name) for name in dict.fromkeys(names)}
    short: dict[str, str] = {}
    for name, own in parts.items():
        for count in range(1, len(own) + 1):
            end = own[-count:]
            alone = sum(other[-count:] == end for other in parts.values()) == 1
            if count == len(own) or (alone and not end[0].isdigit()):
                short[name] = ".".join(end)
                break
    return short


def drawn_text(params: Mapping[str, Any], short: Mapping[str, str]) -> str:
    """What was drawn for a trial, each by its short name."""
    return ", ".join(f"{short[name]} {_plain(value)}" for name, value in params.items())


def _plain(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
