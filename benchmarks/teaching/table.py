"""The tables and sentences that say what was found, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.teaching.contest import Found
from benchmarks.teaching.regimes import Regime
from benchmarks.teaching.steps import UNIFORM, Cost
from benchmarks.teaching.ways import UNTAUGHT
from orchestrator.report.compare_seeds import paired, spread
from orchestrator.results.repeat_report import Paired

HEAD = (
    "way", "chosen on validation", "validation %", "test %", "to untaught", "to uniform",
    "changed", "step", "share",
)  # fmt: skip
IDLE = 0.05
"""A rule that moves fewer targets than this share hardly does anything."""
NOBODY = ("untaught", "label_smoothing", "virtual_teacher")
"""Ways without teachers, which no uniform mean can be compared with as rules are."""


def lines(
    regime: Regime,
    found: Mapping[str, Found],
    costs: Mapping[str, Cost],
    teachers: Mapping[str, float],
) -> Iterator[str]:
    """What of one regime is shown: its teachers' test accuracies, its table, then what it says."""
    if teachers:
        spelt = ", ".join(f"{name} {100 * share:.2f} %" for name, share in teachers.items())
        yield f"Teachers on the test part: {spelt}."
        yield ""
    yield f"| {' | '.join(HEAD)} |"
    yield f"|{'---|' * len(HEAD)}"
    for name, each in found.items():
        if each.scores:
            yield f"| {' | '.join(_row(name, found, costs.get(name)))} |"
    yield ""
    yield from (f"* {sentence}" for sentence in (*sentences(found), *edges(regime, found)))
    yield ""


def _row(name: str, found: Mapping[str, Found], cost: Cost | None) -> tuple[str, ...]:
    each = found[name]
    changed = [score.changed for score in each.scores if score.changed is not None]
    return (
        name,
        each.chosen,
        _percent([score.validation for score in each.scores]),
        _percent(each.tests),
        _against(each, found.get(UNTAUGHT)),
        _against(each, found.get(UNIFORM)),
        f"{100 * spread(changed).mean:.1f} %" if changed else "",
        f"{cost.of_uniform:.2f}" if cost else "",
        f"{100 * cost.share:.0f} %" if cost else "",
    )


def _percent(shares: Sequence[float]) -> str:
    found = spread(shares)
    deviation = "" if found.deviation is None else f" ± {100 * found.deviation:.2f}"
    return f"{100 * found.mean:.2f}{deviation}"


def difference(each: Found, other: Found | None) -> Paired | None:
    """Test accuracies of the one less those of the other, seed by seed; none without both."""
    if other is None or other is each or not each.scores or not other.scores:
        return None
    return paired(each.tests, other.tests)


def told_apart(gain: Paired | None) -> int:
    """1 where the interval lies above zero, -1 where below, 0 where about it or there is none."""
    if gain is None or gain.low is None or gain.high is None:
        return 0
    return (gain.low > 0) - (gain.high < 0)


def _against(each: Found, other: Found | None) -> str:
    gain = difference(each, other)
    if gain is None:
        return ""
    return f"{100 * gain.mean:+.2f}{_interval(gain)}, {gain.wins} of {gain.count}"


def _interval(gain: Paired) -> str:
    if gain.low is None or gain.high is None:
        return ""
    return f" ({100 * gain.low:+.2f} to {100 * gain.high:+.2f})"


def sentences(found: Mapping[str, Found]) -> Iterator[str]:
    """Where a way pays and where it does not, by the intervals of the table."""
    taught = {n: each for n, each in found.items() if each.scores and n not in NOBODY}
    if UNTAUGHT in found and found[UNTAUGHT].scores and taught:
        yield from _to_untaught(taught, found[UNTAUGHT])
    others = {name: each for name, each in taught.items() if name != UNIFORM}
    if UNIFORM in taught and others:
        yield from _to_uniform(others, taught[UNIFORM])
    if idle := [name for name, each in found.items() if _changed(each, below=IDLE)]:
        yield (
            f"Rules that moved the target of fewer than {100 * IDLE:g} % of the samples, so nearly "
            f"the uniform mean itself: {', '.join(f'`{name}`' for name in idle)}."
        )
    yield from (
        f"`{name}` is not in the table: {each.problem}."
        for name, each in found.items()
        if each.problem and not each.problem.startswith("left out")
    )
    left_out = [f"`{name}`" for name, each in found.items() if each.problem.startswith("left out")]
    if left_out:
        yield f"Left out, for want of time: {', '.join(left_out)}."


def _changed(each: Found, *, below: float) -> bool:
    """Whether its rule moved the targets of so small a share of the samples."""
    shares = [score.changed for score in each.scores if score.changed is not None]
    return bool(shares) and spread(shares).mean < below


def edges(regime: Regime, found: Mapping[str, Found]) -> Iterator[str]:
    """How many ways chose the largest or the smallest learning rate, where there were more."""
    chosen = [each.chosen for each in found.values() if each.scores]
    low, high = (f"lr {rate:g}," for rate in (min(regime.rates), max(regime.rates)))
    if low != high:
        yield (
            f"Of {len(chosen)} ways {sum(one.startswith(high) for one in chosen)} chose the "
            f"largest learning rate tried, {sum(one.startswith(low) for one in chosen)} the "
            "smallest."
        )


def _to_untaught(taught: Mapping[str, Found], untaught: Found) -> Iterator[str]:
    better, worse, unclear = _sides(taught, untaught)
    if len(better) == len(taught):
        yield f"Every one of the {len(taught)} taught ways beats the untaught student."
        return
    yield f"{len(better)} of {len(taught)} taught ways beat the untaught student."
    if rest := [*worse, *unclear]:
        yield f"Not shown to beat it: {', '.join(rest)}."


def _to_uniform(others: Mapping[str, Found], uniform: Found) -> Iterator[str]:
    better, worse, unclear = _sides(others, uniform)
    yield f"Better than the uniform mean: {', '.join(better) or 'none'}."
    yield f"Worse than the uniform mean: {', '.join(worse) or 'none'}."
    if unclear:
        yield (
            f"Not told apart from the uniform mean by these seeds, so there it is not shown to "
            f"pay: {', '.join(unclear)}."
        )
    by_chance = len(others) / 20
    yield (
        f"These are {len(others)} intervals of 95 %, of which about {by_chance:.1f} would leave "
        "out zero by chance alone."
    )
    if "single" in others:
        gain = difference(others["single"], uniform)
        if gain is not None:
            side = "above" if gain.mean > 0 else "below"
            yield (
                f"The best single teacher ({others['single'].chosen}) has a student "
                f"{100 * abs(gain.mean):.2f} points {side} the ensemble's{_interval(gain)}."
            )


def _sides(ways: Mapping[str, Found], other: Found) -> tuple[list[str], list[str], list[str]]:
    """Ways whose interval lies above zero, below it, and about it."""
    said: dict[int, list[str]] = {1: [], -1: [], 0: []}
    for name, each in ways.items():
        gain = difference(each, other)
        if gain is not None:
            said[told_apart(gain)].append(f"`{name}` ({100 * gain.mean:+.2f})")
    return said[1], said[-1], said[0]


def tuning(found: Mapping[str, Found]) -> Iterator[str]:
    """What each setting had on validation, in %, for those who doubt the choice."""
    for name, each in found.items():
        if each.tried:
            tried = "; ".join(f"{one.label}: {100 * one.validation:.2f}" for one in each.tried)
            yield f"{name}: {tried}"
