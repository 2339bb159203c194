"""A regime's table and sentences, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.ensemble_comparison.methods import UNTAUGHT
from benchmarks.ensemble_comparison.regimes import Regime
from benchmarks.ensemble_comparison.step_times import UNIFORM, StepCost
from benchmarks.ensemble_comparison.tuning import MethodResult
from orchestrator.report.compare_seeds import paired, spread
from orchestrator.results.finished_run import Paired

HEAD = (
    "method", "chosen on validation", "validation %", "test %", "vs untaught", "vs uniform mean",
    "targets changed", "step time", "teaching share",
)  # fmt: skip
FEW_CHANGED = 0.05
"""A rule that changes fewer targets than this share is nearly the uniform mean."""
WITHOUT_TEACHERS = ("untaught", "label_smoothing", "virtual_teacher")
"""Methods that have no teachers; they are not compared with the uniform mean as rules are."""


def regime_section(
    regime: Regime,
    results: Mapping[str, MethodResult],
    costs: Mapping[str, StepCost],
    teachers: Mapping[str, float],
) -> Iterator[str]:
    """The teachers' test accuracies, the table of one regime, and its sentences."""
    if teachers:
        listed = ", ".join(f"{name} {100 * share:.2f} %" for name, share in teachers.items())
        yield f"Test accuracy of the teachers: {listed}."
        yield ""
    yield f"| {' | '.join(HEAD)} |"
    yield f"|{'---|' * len(HEAD)}"
    for name, each in results.items():
        if each.scores:
            yield f"| {' | '.join(_row(name, results, costs.get(name)))} |"
    yield ""
    yield from (f"* {each}" for each in (*sentences(results), *edge_choices(regime, results)))
    yield ""


def _row(name: str, results: Mapping[str, MethodResult], cost: StepCost | None) -> tuple[str, ...]:
    each = results[name]
    changed = [score.changed for score in each.scores if score.changed is not None]
    return (
        name,
        each.chosen,
        _percent([score.validation for score in each.scores]),
        _percent(each.tests),
        _difference_cell(each, results.get(UNTAUGHT)),
        _difference_cell(each, results.get(UNIFORM)),
        f"{100 * spread(changed).mean:.1f} %" if changed else "",
        f"{cost.of_uniform:.2f}" if cost else "",
        f"{100 * cost.share:.0f} %" if cost else "",
    )


def _percent(shares: Sequence[float]) -> str:
    found = spread(shares)
    deviation = "" if found.deviation is None else f" ± {100 * found.deviation:.2f}"
    return f"{100 * found.mean:.2f}{deviation}"


def difference(each: MethodResult, other: MethodResult | None) -> Paired | None:
    """Difference of test accuracies, seed by seed; None without both."""
    if other is None or other is each or not each.scores or not other.scores:
        return None
    return paired(each.tests, other.tests)


def significance(gain: Paired | None) -> int:
    """1 if the interval is above zero, -1 if below; 0 if it includes zero or there is none."""
    if gain is None or gain.low is None or gain.high is None:
        return 0
    return (gain.low > 0) - (gain.high < 0)


def _difference_cell(each: MethodResult, other: MethodResult | None) -> str:
    gain = difference(each, other)
    if gain is None:
        return ""
    return f"{100 * gain.mean:+.2f}{_interval(gain)}, {gain.wins} of {gain.count}"


def _interval(gain: Paired) -> str:
    if gain.low is None or gain.high is None:
        return ""
    return f" ({100 * gain.low:+.2f} to {100 * gain.high:+.2f})"


def sentences(results: Mapping[str, MethodResult]) -> Iterator[str]:
    """Which methods are better than no teachers, and than the uniform mean."""
    taught = {n: each for n, each in results.items() if each.scores and n not in WITHOUT_TEACHERS}
    if UNTAUGHT in results and results[UNTAUGHT].scores and taught:
        yield from _to_untaught(taught, results[UNTAUGHT])
    others = {name: each for name, each in taught.items() if name != UNIFORM}
    if UNIFORM in taught and others:
        yield from _to_uniform(others, taught[UNIFORM])
    if few := [name for name, each in results.items() if _changes_few(each)]:
        yield (
            f"Rules that change the target of fewer than {100 * FEW_CHANGED:g} % of the samples, "
            f"and so are nearly the uniform mean: {', '.join(f'`{name}`' for name in few)}."
        )
    yield from (
        f"`{name}` is not in the table: {each.problem}."
        for name, each in results.items()
        if each.problem and not each.problem.startswith("left out")
    )
    left_out = [
        f"`{name}`" for name, each in results.items() if each.problem.startswith("left out")
    ]
    if left_out:
        yield f"Left out for lack of time: {', '.join(left_out)}."


def _changes_few(each: MethodResult) -> bool:
    """Whether its rule changes the targets of less than ``FEW_CHANGED`` of the samples."""
    shares = [score.changed for score in each.scores if score.changed is not None]
    return bool(shares) and spread(shares).mean < FEW_CHANGED


def edge_choices(regime: Regime, results: Mapping[str, MethodResult]) -> Iterator[str]:
    """How many methods chose the largest or the smallest learning rate, if there are several."""
    chosen = [each.chosen for each in results.values() if each.scores]
    low, high = (f"lr {rate:g}," for rate in (min(regime.rates), max(regime.rates)))
    if low != high:
        yield (
            f"Of {len(chosen)} methods, {sum(one.startswith(high) for one in chosen)} chose the "
            f"largest learning rate tried and {sum(one.startswith(low) for one in chosen)} the "
            "smallest."
        )


def _to_untaught(taught: Mapping[str, MethodResult], untaught: MethodResult) -> Iterator[str]:
    better, worse, unclear = _by_significance(taught, untaught)
    if len(better) == len(taught):
        yield f"All {len(taught)} methods with teachers are better than the untaught student."
        return
    yield (
        f"{len(better)} of {len(taught)} methods with teachers are better than the untaught "
        "student."
    )
    if rest := [*worse, *unclear]:
        yield f"Not significantly better than it: {', '.join(rest)}."


def _to_uniform(others: Mapping[str, MethodResult], uniform: MethodResult) -> Iterator[str]:
    better, worse, unclear = _by_significance(others, uniform)
    yield f"Better than the uniform mean: {', '.join(better) or 'none'}."
    yield f"Worse than the uniform mean: {', '.join(worse) or 'none'}."
    if unclear:
        yield f"No significant difference from the uniform mean: {', '.join(unclear)}."
    yield (
        f"Of these {len(others)} intervals of 95 %, about {len(others) / 20:.1f} would exclude "
        "zero by chance alone."
    )
    gain = difference(others["single"], uniform) if "single" in others else None
    if gain is not None:
        side = "above" if gain.mean > 0 else "below"
        yield (
            f"The student of the best single teacher ({others['single'].chosen}) is "
            f"{100 * abs(gain.mean):.2f} points {side} the ensemble's{_interval(gain)}."
        )


def _by_significance(
    methods: Mapping[str, MethodResult], other: MethodResult
) -> tuple[list[str], list[str], list[str]]:
    """Methods significantly better, significantly worse, and neither, with their differences."""
    groups: dict[int, list[str]] = {1: [], -1: [], 0: []}
    for name, each in methods.items():
        gain = difference(each, other)
        if gain is not None:
            groups[significance(gain)].append(f"`{name}` ({100 * gain.mean:+.2f})")
    return groups[1], groups[-1], groups[0]


def tuning(results: Mapping[str, MethodResult]) -> Iterator[str]:
    """The validation accuracy of each setting tried, in %."""
    for name, each in results.items():
        if each.tried:
            tried = "; ".join(f"{one.label}: {100 * one.validation:.2f}" for one in each.tried)
            yield f"{name}: {tried}"
