"""Says in sentences who the student listened to, and which term drove it."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.results.run_report import RunReport
from orchestrator.results.term_report import gradient_shares
from orchestrator.results.weighting_report import WeightingReport

_LITTLE = 0.02
"""A rule that changes the target of fewer samples teaches nearly as the uniform mean does."""

_BEYOND = {
    "random": "chances upon another teacher each time",
    "adaptive": "is part of the student",
    "confidence": "asks for labels",
    "correct_only": "asks for labels",
}
"""Why a rule says nothing of the held-out parts."""

_NEARLY_ALL = 0.9
"""A gate that gives one teacher more than that has chosen rather than weighed."""


def lesson_notes(report: RunReport) -> Iterator[str]:
    """What a rule changed, what the ensemble's row is then, and which term drove the student."""
    if report.listening is not None and report.listening.epochs:
        yield from _listening(report.listening)
    yield from _driving(report)


def _listening(told: WeightingReport) -> Iterator[str]:
    changed, renamed = told.changed[-1], told.renamed[-1]
    moved = f"changed the target of {_share(changed)} of the samples"
    said = f"In the last epoch, rule {told.rule} {moved}"
    if changed >= _LITTLE:
        yield f"{said}, and the class that it names for {_share(renamed)}."
    elif told.seen and told.rule != "adaptive":  # A gate's weights may be nearly uniform, too.
        yield f"{said}: the teachers have seen them and agree on nearly all."
    else:
        yield f"{said}: it taught nearly as the uniform mean does."
    if told.fallback_shares[-1]:
        share = _share(told.fallback_shares[-1])
        yield f"For {share} of them the label taught, for no teacher was right."
    yield from _chosen(told)
    if told.judged_without:
        why = _BEYOND.get(told.rule, "cannot be asked on held-out parts")
        yield (f"The ensemble's own figures are those of the uniform mean: rule {told.rule} {why}.")


def _chosen(told: WeightingReport) -> Iterator[str]:
    teacher, shares = max(told.weights.items(), key=lambda each: each[1][-1])
    if told.rule == "adaptive" and shares[-1] > _NEARLY_ALL:
        yield (
            f"The gate gave {teacher} {_whole(shares[-1])} of the weight: it learns to lower the "
            "student's loss, which the teacher that is easiest to imitate does best, whether or "
            "not it knows most."
        )


def _driving(report: RunReport) -> Iterator[str]:
    if len(report.terms) < 2:
        return
    first, last = (gradient_shares(report.terms, epoch) for epoch in (0, -1))
    if not first or not last:
        return
    at_first, in_the_end = (max(shares, key=lambda name: shares[name]) for shares in (first, last))
    if at_first == in_the_end:
        yield (
            f"Term {at_first} drove the student: {_whole(first[at_first])} of the terms' "
            f"gradients in the first epoch, {_whole(last[at_first])} in the last."
        )
    else:
        yield (
            f"At first term {at_first} drove the student ({_whole(first[at_first])} of the terms' "
            f"gradients), in the end {in_the_end} ({_whole(last[in_the_end])})."
        )


def _share(share: float) -> str:
    return f"{100 * share:.1f} %" if share == 0 or share >= 0.0005 else "less than 0.1 %"


def _whole(share: float) -> str:
    return f"{100 * share:.0f} %"
