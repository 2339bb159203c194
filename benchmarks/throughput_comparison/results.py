"""What rounds of turns say together: medians with their spread, and the goals beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median, stdev
from typing import Any

TO_BEAT = "TextBrewer, 3 teachers"
BY_HAND = "untaught, by hand"
Figures = Mapping[str, Any]


@dataclass
class Contest:
    """All turns by name, one of each name in each round, none where it failed; and why."""

    turns: dict[str, list[Figures | None]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def note(self, name: str, figures: Figures | None) -> None:
        """One more turn of ``name``."""
        self.turns.setdefault(name, []).append(figures)

    def values(self, name: str, figure: str = "images_per_second") -> list[float]:
        """One figure of every turn that has it."""
        each = [turn for turn in self.turns.get(name, []) if turn is not None]
        return [turn[figure] for turn in each if turn.get(figure) is not None]

    def ratios(self, one: str, other: str, figure: str = "images_per_second") -> list[float]:
        """``one`` over ``other``, round by round: what slows a whole round down slows both."""
        pairs = zip(self.turns.get(one, []), self.turns.get(other, []), strict=False)
        return [a[figure] / b[figure] for a, b in pairs if a is not None and b is not None]


@dataclass(frozen=True)
class Goal:
    """What is asked, and what was found in each round; ``at_least`` or at most."""

    words: str
    limit: float
    found: Sequence[float]
    at_least: bool = True
    percent: bool = False

    @property
    def reached(self) -> bool:
        """Whether the median of what was found is on the right side."""
        if not self.found:
            return False
        middle = median(self.found)
        return middle >= self.limit if self.at_least else middle <= self.limit

    def line(self) -> str:
        """One line of the table of goals."""
        bound = ("at least " if self.at_least else "at most ") + self._spelt(self.limit)
        if not self.found:
            return f"{self.words:58s} {bound:>15s}  not measured"
        spread = f"{self._spelt(min(self.found))} to {self._spelt(max(self.found))}"
        middle, verdict = self._spelt(median(self.found)), "yes" if self.reached else "NO"
        return f"{self.words:58s} {bound:>15s} {middle:>8s}  ({spread})  {verdict}"

    def _spelt(self, value: float) -> str:
        return f"{100 * value:.1f} %" if self.percent else f"{value:.2f}"


def table(contest: Contest) -> Iterator[str]:
    """A line for each contender, in the order of their turns."""
    yield (
        f"{'':26s} {'images/s':>9s} {'(rounds)':>17s} {'ms a step':>10s}"
        f" {'x TextBrewer-3':>15s} {'% of untaught':>14s} {'waited':>7s} {'1st step':>9s}"
    )
    for name in contest.turns:
        rates = contest.values(name)
        if not rates:
            yield f"{name:26s} {contest.failures.get(name, 'not measured')[:100]}"
            continue
        yield " ".join(
            (
                f"{name:26s} {median(rates):9.0f}",
                f"{f'({min(rates):.0f} to {max(rates):.0f})':>17s}",
                f"{median(contest.values(name, 'milliseconds')):10.1f}",
                _or_dash(contest.ratios(name, TO_BEAT), "{:.2f}", 15),
                _or_dash(contest.ratios(name, untaught_of(name)), "{:.1%}", 14),
                _or_dash(contest.values(name, "waited"), "{:.1%}", 7),
                _or_dash(contest.values(name, "first_step"), "{:.1f} s", 9),
            )
        )


def inferences(contest: Contest, name: str) -> Iterator[str]:
    """How each teacher of ``name`` was run in the first round, and what that gained alone."""
    turn = next((turn for turn in contest.turns.get(name, []) if turn is not None), {})
    for teacher, of in turn.get("teachers", {}).items():
        if not of["plain_rate"] or not of["chosen_rate"]:
            yield f"{teacher:26s} {of['inference']}"
            continue
        gain, rate = of["chosen_rate"] / of["plain_rate"], of["chosen_rate"]
        speed = f"{rate:.0f} images/s alone, {gain:.2f} x plain fp32"
        nearness = f"KL {of['kl']:.1e}, same class {of['same_argmax']:.2%}" if of["kl"] else ""
        yield f"{teacher:26s} {of['inference']}: {speed}; {nearness}"


def untaught_of(name: str) -> str:
    """The untaught student to compare ``name`` with: ours at the same precision, or the loop."""
    precision = name.rpartition(", ")[2]
    return f"untaught, {precision}" if precision in ("fp32", "bf16") else BY_HAND


def goals(contest: Contest, *, stored: float | None) -> Iterator[Goal]:
    """What the rounds are held to; ``stored``: sealed bytes over raw fp16 logits."""
    for precision in ("fp32", "bf16"):
        filled, filling = f"filled, {precision}", f"filling, {precision}"
        yield Goal(
            f"filled, against our untaught student ({precision})",
            0.95,
            contest.ratios(filled, untaught_of(filled)),
            percent=True,
        )
        words = f"filled ({precision}), against TextBrewer with three"
        yield Goal(words, 12, contest.ratios(filled, TO_BEAT))
        words = f"filling ({precision}), against TextBrewer with three"
        yield Goal(words, 4, contest.ratios(filling, TO_BEAT))
    by_one = contest.ratios("filled, fp32", "filled by one, fp32", "milliseconds")
    yield Goal(
        "one more teacher, filled, in parts of a step",
        0.02,
        [(ratio - 1) / 2 for ratio in by_one],
        at_least=False,
        percent=True,
    )
    found = [] if stored is None else [stored]
    yield Goal("sealed bytes, against raw fp16 logits", 1.1, found, at_least=False)
    yield Goal(
        "command to first step, stages stored, seconds",
        15,
        contest.values("filled, fp32", "first_step"),
        at_least=False,
    )


def spelt(values: Sequence[float], form: str) -> str:
    """The mean; its spread over the values where there are several."""
    mean = form.format(fmean(values))
    if len(values) == 1:
        return mean
    return f"{mean} +- {form.format(stdev(values))} of {len(values)}"


def _or_dash(values: Sequence[float], form: str, width: int) -> str:
    return f"{form.format(median(values)) if values else '-':>{width}s}"
