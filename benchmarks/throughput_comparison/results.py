"""Results over the rounds: medians with their spread, and the goals beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median, stdev
from typing import Any

REFERENCE = "TextBrewer, 3 teachers"
BY_HAND = "untaught, by hand"
Figures = Mapping[str, Any]


@dataclass
class Comparison:
    """All runs by name, one of each name in each round, None where it failed; and why."""

    runs: dict[str, list[Figures | None]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, figures: Figures | None) -> None:
        """Adds a run of ``name``."""
        self.runs.setdefault(name, []).append(figures)

    def values(self, name: str, figure: str = "images_per_second") -> list[float]:
        """One figure of every run that has it."""
        each = [run for run in self.runs.get(name, []) if run is not None]
        return [run[figure] for run in each if run.get(figure) is not None]

    def ratios(self, one: str, other: str, figure: str = "images_per_second") -> list[float]:
        """``one`` over ``other``, round by round: a slow round slows both."""
        pairs = zip(self.runs.get(one, []), self.runs.get(other, []), strict=False)
        return [a[figure] / b[figure] for a, b in pairs if a is not None and b is not None]


@dataclass(frozen=True)
class Goal:
    """A goal, and what was measured in each round; ``limit`` is a lower bound if ``at_least``."""

    name: str
    limit: float
    found: Sequence[float]
    at_least: bool = True
    percent: bool = False

    @property
    def reached(self) -> bool:
        """Whether the median of the rounds meets the limit."""
        if not self.found:
            return False
        middle = median(self.found)
        return middle >= self.limit if self.at_least else middle <= self.limit

    def line(self) -> str:
        """One line of the table of goals."""
        bound = ("at least " if self.at_least else "at most ") + self._format(self.limit)
        if not self.found:
            return f"{self.name:58s} {bound:>15s}  not measured"
        spread = f"{self._format(min(self.found))} to {self._format(max(self.found))}"
        middle, verdict = self._format(median(self.found)), "yes" if self.reached else "NO"
        return f"{self.name:58s} {bound:>15s} {middle:>8s}  ({spread})  {verdict}"

    def _format(self, value: float) -> str:
        return f"{100 * value:.1f} %" if self.percent else f"{value:.2f}"


def table(comparison: Comparison) -> Iterator[str]:
    """A line for each peer and run, in their order."""
    yield (
        f"{'':26s} {'images/s':>9s} {'(rounds)':>17s} {'ms a step':>10s}"
        f" {'x TextBrewer-3':>15s} {'% of untaught':>14s} {'waited':>7s} {'1st step':>9s}"
    )
    for name in comparison.runs:
        rates = comparison.values(name)
        if not rates:
            yield f"{name:26s} {comparison.failures.get(name, 'not measured')[:100]}"
            continue
        yield " ".join(
            (
                f"{name:26s} {median(rates):9.0f}",
                f"{f'({min(rates):.0f} to {max(rates):.0f})':>17s}",
                f"{median(comparison.values(name, 'milliseconds')):10.1f}",
                _median_cell(comparison.ratios(name, REFERENCE), "{:.2f}", 15),
                _median_cell(comparison.ratios(name, untaught_of(name)), "{:.1%}", 14),
                _median_cell(comparison.values(name, "waited"), "{:.1%}", 7),
                _median_cell(comparison.values(name, "first_step"), "{:.1f} s", 9),
            )
        )


def inferences(comparison: Comparison, name: str) -> Iterator[str]:
    """The inference config of each teacher of ``name`` in the first round, and its speedup."""
    run = next((run for run in comparison.runs.get(name, []) if run is not None), {})
    for teacher, of in run.get("teachers", {}).items():
        if not of["plain_rate"] or not of["chosen_rate"]:
            yield f"{teacher:26s} {of['inference']}"
            continue
        gain, rate = of["chosen_rate"] / of["plain_rate"], of["chosen_rate"]
        speed = f"{rate:.0f} images/s alone, {gain:.2f} x plain fp32"
        fidelity = f"KL {of['kl']:.1e}, same class {of['same_argmax']:.2%}" if of["kl"] else ""
        yield f"{teacher:26s} {of['inference']}: {speed}; {fidelity}"


def untaught_of(name: str) -> str:
    """The untaught student to compare ``name`` with: ours at the same precision, or by hand."""
    precision = name.rpartition(", ")[2]
    return f"untaught, {precision}" if precision in ("fp32", "bf16") else BY_HAND


def goals(comparison: Comparison, *, stored: float | None) -> Iterator[Goal]:
    """The goals for the rounds; ``stored``: sealed bytes over raw fp16 logits."""
    for precision in ("fp32", "bf16"):
        filled, filling = f"filled, {precision}", f"filling, {precision}"
        yield Goal(
            f"filled ({precision}), relative to our untaught student",
            0.95,
            comparison.ratios(filled, untaught_of(filled)),
            percent=True,
        )
        name = f"filled ({precision}), relative to TextBrewer, 3 teachers"
        yield Goal(name, 12, comparison.ratios(filled, REFERENCE))
        name = f"filling ({precision}), relative to TextBrewer, 3 teachers"
        yield Goal(name, 4, comparison.ratios(filling, REFERENCE))
    by_one = comparison.ratios("filled, fp32", "filled by one, fp32", "milliseconds")
    yield Goal(
        "one more teacher, filled, as a share of a step",
        0.02,
        [(ratio - 1) / 2 for ratio in by_one],
        at_least=False,
        percent=True,
    )
    found = [] if stored is None else [stored]
    yield Goal("sealed bytes, relative to raw fp16 logits", 1.1, found, at_least=False)
    yield Goal(
        "command to first step, stages stored, seconds",
        15,
        comparison.values("filled, fp32", "first_step"),
        at_least=False,
    )


def format_mean(values: Sequence[float], form: str) -> str:
    """The mean, with its standard deviation if there are several values."""
    mean = form.format(fmean(values))
    if len(values) == 1:
        return mean
    return f"{mean} ± {form.format(stdev(values))} of {len(values)}"


def _median_cell(values: Sequence[float], form: str, width: int) -> str:
    return f"{form.format(median(values)) if values else '-':>{width}s}"
