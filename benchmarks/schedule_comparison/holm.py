"""p-values of paired differences, corrected for their number."""

from __future__ import annotations

from collections.abc import Sequence

from scipy.special import stdtr

from orchestrator.results.finished_run import Paired

LEVEL = 0.05


def p_value(gain: Paired) -> float:
    """Of the paired t-test of at least two differences, two-sided; 1 where all are 0.

    Raises:
        ValueError: there is only one difference.
    """
    if gain.deviation is None:
        raise ValueError("a t-test has 1 difference, but needs at least 2; take more seeds")
    if gain.deviation == 0:
        return 1.0 if gain.mean == 0 else 0.0
    t = abs(gain.mean) / (gain.deviation / gain.count**0.5)
    return 2 * float(stdtr(gain.count - 1, -t))


def corrected(p_values: Sequence[float]) -> list[float]:
    """Holm's corrected p-values, in the order given: below ``LEVEL``, the sign is claimed, and the
    chance that any claim of all these is wrong is at most ``LEVEL``.

    The k-th smallest of m is multiplied by m - k + 1, and is at least the one before it. It is
    below the level just where the interval of confidence 1 - level / (m - k + 1) excludes zero,
    and those of all smaller ones do.
    Source: Holm (1979).
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    found, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        found[index] = largest
    return found
