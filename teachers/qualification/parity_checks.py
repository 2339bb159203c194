"""Whether a teacher's answers to labelled samples are plausible.

N samples, C classes. All are pure functions of answers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Int
from torch import Tensor

Labels = npt.NDArray[np.int64]

DOUBT = 1e-3
"""The significance level: below it, a result is not attributed to chance."""
MUCH_BETTER = 0.05
"""The gain in accuracy under another preprocessing that counts as much better."""
MUCH_BETTER_ORDER = 0.10
"""The same for another order of the classes; larger, since the best of C! orders is taken."""
RIGHT_IN_ORDER = 0.5
"""The accuracy that another order must give: random weights, too, give similar samples similar
answers (measured: 1.5 % of digits right, 21.5 % in the best order of classes)."""
FEW = 100
"""Below so many samples a weak sign that a teacher is right is enough for it to teach."""
WEAK = 0.05
"""The significance level of a weak sign."""
DRAWS = 9999
"""Random pairings of answers and labels, of which chance is computed where it is not clear."""


@dataclass(frozen=True)
class Plausibility:
    """Whether a teacher's answers to labelled samples can be right.

    ``accuracy`` on ``samples``; ``by_chance``, the probability of so many right answers if
    answers and labels were independent (at the shares that each has); ``chance``, the accuracy
    expected then; ``perfect_by_chance``, the probability that all would be right; ``reordered``,
    the accuracy under the best other order of its classes; ``order``, that order where it is much
    better: entry c is the class that its output c means.
    """

    samples: int
    accuracy: float
    chance: float
    by_chance: float
    reordered: float
    order: tuple[int, ...] | None = None
    perfect_by_chance: float = 0.0

    @property
    def near_chance(self) -> bool:
        """Whether its accuracy does not differ significantly from chance."""
        return self.by_chance > DOUBT

    @property
    def too_few(self) -> bool:
        """Whether it is near chance only because its samples are few: even a teacher that is
        always right would be, or there is a weak sign that it is right."""
        weakly_right = self.samples < FEW and self.by_chance <= WEAK
        return self.near_chance and (self.perfect_by_chance > DOUBT or weakly_right)


def plausibility(
    logits_NC: Float[Tensor, "samples classes"], labels_N: Int[Tensor, " samples"]
) -> Plausibility:
    """Compares answers with labels, each of which is 0 .. C-1.

    A better order of the classes is fitted on one half of the samples and evaluated on the
    other, in turn, so that an order which only fits the noise gains nothing.
    """
    answers, labels = logits_NC.argmax(1).numpy(), labels_N.numpy()
    classes, right = logits_NC.shape[1], answers == labels
    chance = _chance(answers, labels, classes)
    reordered = _reordered(answers, labels, classes)
    in_order = reordered == labels
    order = _best_order(answers, labels, classes)
    tells = tells_classes_apart(reordered, labels, classes)
    is_better = tells and _is_better_order(order, answers, labels, in_order, chance)
    return Plausibility(
        samples=len(labels),
        accuracy=float(right.mean()),
        chance=chance,
        by_chance=_by_chance(answers, labels, max(chance, 1.0 / classes)),
        reordered=float(in_order.mean()),
        order=tuple(map(int, order)) if is_better else None,
        perfect_by_chance=_perfect_by_chance(labels),
    )


def rarely_predicted(
    right_N: npt.NDArray[np.bool_], labels_N: Labels
) -> dict[int, tuple[float, float, int]]:
    """Labels that are predicted much more rarely than the others together are.

    With less than half of their recall, and significantly: so few right answers or fewer are
    improbable at the others' rate, at the level ``DOUBT`` divided by the number of labels.

    Returns:
        For each such label its recall, that of the others, and its samples.
    """
    found: dict[int, tuple[float, float, int]] = {}
    labels = np.unique(labels_N)
    for label in labels if len(labels) > 1 else ():
        own, others = right_N[labels_N == label], right_N[labels_N != label]
        # No error among so many means that errors are rare, not that there are none.
        error_rate = (int((~others).sum()) + 1) / (len(others) + 2)
        by_chance = _at_least(int((~own).sum()), len(own), error_rate)
        if own.mean() < 0.5 * others.mean() and by_chance < DOUBT / len(labels):
            found[int(label)] = (float(own.mean()), float(others.mean()), len(own))
    return found


def best_variant(
    right_N: npt.NDArray[np.bool_], variants: Mapping[str, npt.NDArray[np.bool_]]
) -> str | None:
    """The preprocessing under which a teacher is much better than as configured, or None.

    ``right_N`` says which answers are right as the recipe has it; ``variants`` the same for
    other normalisations or orders of channels, by name.
    """
    found = {
        name: int(each.sum())
        for name, each in variants.items()
        if much_better(each, right_N, least=MUCH_BETTER, tries=len(variants))
    }
    return max(found, key=found.__getitem__) if found else None


def much_better(
    other_N: npt.NDArray[np.bool_],
    own_N: npt.NDArray[np.bool_],
    *,
    least: float,
    tries: int = 1,
) -> bool:
    """Whether ``other`` is right on many more samples than ``own``, and significantly so.

    Many more: ``least`` of all samples, and a quarter of what ``own`` gets right or of what it
    gets wrong, whichever is less. Significantly: by a sign test on the samples that only one of
    them gets right, at the level ``DOUBT`` divided by ``tries``.
    """
    won, lost = int((other_N & ~own_N).sum()), int((own_N & ~other_N).sum())
    gain, own = (won - lost) / len(own_N), float(own_N.mean())
    if gain < max(least, 0.25 * min(own, 1.0 - own)):
        return False
    return _won_by_chance(other_N, own_N) < DOUBT / tries


def tells_classes_apart(answers_N: Labels, labels_N: Labels, classes: int) -> bool:
    """Whether answers, found in another order or reading, depend on the labels at all, as far as so
    few can show it: one answer to everything is mostly right where one class is frequent."""
    each = max(_chance(answers_N, labels_N, classes), 1.0 / classes)
    by_chance = _by_chance(answers_N, labels_N, each)
    return by_chance <= max(WEAK, 1.5 * _perfect_by_chance(labels_N))


def _won_by_chance(other_N: npt.NDArray[np.bool_], own_N: npt.NDArray[np.bool_]) -> float:
    """The probability that ``other`` is right on so many of the samples that only one of the two
    gets right, if each of them were as likely to."""
    won, lost = int((other_N & ~own_N).sum()), int((own_N & ~other_N).sum())
    return _at_least(won, won + lost, 0.5)


def _chance(answers: Labels, labels: Labels, classes: int) -> float:
    """The accuracy to be expected if answers were independent of the labels."""
    shares = np.bincount(answers, minlength=classes) * np.bincount(labels, minlength=classes)
    return float(shares.sum()) / len(labels) ** 2


def _by_chance(answers: Labels, labels: Labels, each: float) -> float:
    """The probability of so many right answers or more, if they were independent of the labels.

    Binomial, with probability ``each``, where that is small enough. Else, where few samples or
    very unequal classes make that bound too weak, by random pairings of answers and labels.
    """
    right = int((answers == labels).sum())
    bound = _at_least(right, len(labels), each)
    if bound <= DOUBT:
        return bound
    draws, reached = np.random.default_rng(0), 0
    for _ in range(DRAWS):
        reached += int((draws.permutation(answers) == labels).sum()) >= right
    return (1 + reached) / (1 + DRAWS)


def _perfect_by_chance(labels: Labels) -> float:
    """The probability that all answers are right, if they were the labels in random order."""
    counts = np.bincount(labels).tolist()
    ways = math.lgamma(len(labels) + 1) - sum(math.lgamma(count + 1) for count in counts)
    return math.exp(-ways)


def _is_better_order(
    order: Labels,
    answers: Labels,
    labels: Labels,
    in_order: npt.NDArray[np.bool_],
    chance: float,
) -> bool:
    """Whether answers mean other classes, in this ``order``; ``in_order`` says which are right
    then, by an order that was fitted without them.

    Over all samples much is gained; or the answers are worse than ``chance``, where a weak sign is
    enough, since no right teacher is; or, where few of many classes are exchanged, each of these
    is answered by the other's output in most of its samples.
    """
    right = answers == labels
    by_chance = _won_by_chance(in_order, right)
    if in_order.mean() < RIGHT_IN_ORDER:
        return False
    if right.mean() < chance and by_chance <= WEAK:
        return True
    if much_better(in_order, right, least=MUCH_BETTER_ORDER):
        return True
    moved = np.flatnonzero(order != np.arange(len(order)))
    majorities = [(answers[labels == order[each]] == each) for each in moved]
    return by_chance < DOUBT and all(len(each) and each.mean() > 0.5 for each in majorities)


def _at_least(count: int, among: int, each: float) -> float:
    """The binomial probability of ``count`` or more successes in ``among`` trials."""
    # Here, since the import takes half a second, and most runs find a stored verdict.
    from scipy.special import bdtrc

    return 1.0 if count <= 0 else float(bdtrc(count - 1, among, each))


def _reordered(answers: Labels, labels: Labels, classes: int) -> Labels:
    """The answers under the best order of the classes, fitted without the sample's own half."""
    result = np.empty_like(answers)
    # Both halves have samples of every class, however the samples are sorted.
    by_label = np.argsort(labels, kind="stable")
    for half in (by_label[::2], by_label[1::2]):
        others = np.setdiff1d(by_label, half, assume_unique=True)
        result[half] = _best_order(answers[others], labels[others], classes)[answers[half]]
    return result


def _best_order(answers: Labels, labels: Labels, classes: int) -> Labels:
    """For each predicted class the label it most probably stands for, one to one.

    Among equally probable ones, a class stands for itself.
    """
    from scipy.optimize import linear_sum_assignment

    counts = np.zeros((classes, classes))
    np.add.at(counts, (answers, labels), 1.0)
    _, order = linear_sum_assignment(counts + 0.5 * np.eye(classes), maximize=True)
    return np.asarray(order, np.int64)
