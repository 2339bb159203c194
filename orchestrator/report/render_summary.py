"""Writes the sentences of a report: what is optimistic, weights, terms, speed, gain."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.formatting import format_bytes, format_duration, format_rate
from orchestrator.report.render_choice import anchor_sentences, choice_sentence
from orchestrator.results.finished_run import RepeatReport
from orchestrator.results.run_report import ModelReport, RunReport
from orchestrator.results.teaching_report import TeachingReport, WeightingReport, gradient_shares

_SMALLEST = 0.0005
"""Accuracies that differ by less are the same with one decimal of a percentage."""
_FEW_CHANGED = 0.02
"""A weighting that changes the target of fewer samples teaches nearly as the uniform mean does."""
_NO_EFFECT = 0.001
"""A term with a smaller share of the gradients, in each epoch, has taught the student nothing."""
_NEARLY_ALL = 0.9
"""A gating network that gives one teacher more than that selects it."""


def summary(report: RunReport) -> tuple[str, ...]:
    """The sentences below the tables, the one on the student's gain last."""
    return (
        *_optimistic(report),
        *_some_classes(report),
        *_omitted_classes(report),
        *_corrected(report),
        *report.remarks,
        *report.failures,
        *([choice_sentence(report.choice)] if report.choice else ()),
        *anchor_sentences(report),
        *(_weighting(report.teacher_weights) if report.teacher_weights else ()),
        *_largest_gradient(report),
        *_terms_without_effect(report),
        *(_speed(report.teaching) if report.teaching else ()),
        *(_prediction(report, report.teaching) if report.teaching else ()),
        gain_sentence(report),
    )


def gain_sentence(report: RunReport) -> str:
    """The student's gain over untaught, and the part of the gap to its ensemble that it closes.

    All figures are of the test part.
    """
    student, ensemble = report.student, report.ensemble
    if student is None:
        return f"The run ended ({report.outcome}) before its student was trained."
    own = student.test.accuracy
    sentence = f"The student's test accuracy is {_percent(own)}"
    if report.untaught is None:
        top = f"; its ensemble's is {_percent(ensemble.test.accuracy)}" if ensemble else ""
        return f"{sentence}{top}."
    base = report.untaught.test.accuracy
    difference = f"{_points(own - base)} points {'above' if own > base else 'below'}"
    if abs(own - base) < _SMALLEST:
        difference = "which does not differ from"
    sentence += f", {difference} the same student without teachers ({_percent(base)})"
    return f"{sentence}{_gap(own, base, ensemble.test.accuracy) if ensemble else ''}."


def _gap(own: float, base: float, top: float) -> str:
    ensemble = f"its ensemble ({_percent(top)})"
    if top - base < _SMALLEST:
        return f"; there is no gap to close, since {ensemble} is no better than that"
    if own - top >= _SMALLEST:
        return f" and {_points(own - top)} points above {ensemble}"
    if own - base >= _SMALLEST:
        return f"; this closes {100 * (own - base) / (top - base):.0f} % of the gap to {ensemble}"
    if base - own < _SMALLEST:
        return f"; this closes nothing of the gap to {ensemble}"
    before, after = _points(top - base), _points(top - own)
    return f"; the gap to {ensemble} grows from {before} to {after} points"


def is_optimistic(model: ModelReport) -> bool:
    """Whether the validation figures are too good, for the weights have seen those samples."""
    return model.seen_training and model.validation is not None


def _optimistic(report: RunReport) -> Iterator[str]:
    if any(is_optimistic(model) for model in report.models()):
        yield (
            "* These weights have seen the training samples, of which the validation part is "
            "taken: the validation accuracy is optimistic, the test accuracy is not."
        )


def _some_classes(report: RunReport) -> Iterator[str]:
    some = [
        f"'{model.name}' ({', '.join(_class(report, each) for each in model.classes)})"
        for model in report.models()
        if model.classes is not None
    ]
    if some:
        yield (
            f"Teachers of some classes: {', '.join(some)}. Their figures are on the samples of "
            "these classes, so they cannot be compared with those of the other models."
        )


def _omitted_classes(report: RunReport) -> Iterator[str]:
    for index in report.omitted:
        shares = [
            f"{name} {share}"
            for name, model in _compared(report)
            if (share := _class_accuracy(model, index))
        ]
        if shares:
            yield (
                f"Test accuracy on class '{_class(report, index)}', which the student was never "
                f"shown: {', '.join(shares)}."
            )


def _class_accuracy(model: ModelReport, index: int) -> str:
    plain, corrected = (
        scores.per_class[index] if scores is not None and scores.per_class else None
        for scores in (model.test, model.corrected)
    )
    after = f" ({_percent(corrected)} after prior correction)" if corrected is not None else ""
    return f"{_percent(plain)}{after}" if plain is not None else ""


def _class(report: RunReport, index: int) -> str:
    return report.soft_targets.classes[index] if report.soft_targets else str(index)


def _compared(report: RunReport) -> Iterator[tuple[str, ModelReport]]:
    """The student and the untaught one, if there are such, as sentences call them."""
    for name, model in (("the student", report.student), ("'untaught'", report.untaught)):
        if model is not None:
            yield name, model


def _corrected(report: RunReport) -> Iterator[str]:
    for name, model in _compared(report):
        if model.corrected is not None:
            yield (
                "After prior correction (one shift per class, no labels used) the test accuracy of "
                f"{name} is {_percent(model.corrected.accuracy)} instead of "
                f"{_percent(model.test.accuracy)}."
            )


def _weighting(weights: WeightingReport) -> Iterator[str]:
    changed = weights.target_changed[-1]
    sentence = (
        f"In the last epoch, weighting {weights.rule} changed the target of {_small_share(changed)}"
        " of the samples"
    )
    if changed >= _FEW_CHANGED:
        share = _small_share(weights.class_changed[-1])
        yield f"{sentence}, and its most likely class for {share}."
    elif weights.samples_seen and not weights.is_trained:  # A gate may be nearly uniform, too.
        yield f"{sentence}: all teachers were trained on them and agree on nearly all."
    else:
        yield f"{sentence}: the student is taught nearly as by the uniform mean."
    if any(weights.fallback_shares[-1:]):
        share = _small_share(weights.fallback_shares[-1])
        yield f"For {share} of them the target was the label, since no teacher was right."
    teacher, shares = max(weights.weights.items(), key=lambda each: each[1][-1])
    if weights.is_trained and shares[-1] > _NEARLY_ALL:
        yield (
            f"The gating network gave {teacher} {100 * shares[-1]:.0f} % of the weight: it "
            "minimises the student's loss, which favours the teacher that is easiest to imitate, "
            "not the most accurate one."
        )
    if weights.training_only:
        yield (
            "The ensemble's own figures are those of the uniform mean, since weighting "
            f"{weights.rule} {weights.training_only}."
        )


def _largest_gradient(report: RunReport) -> Iterator[str]:
    if len(report.terms) < 2:
        return
    first, last = (gradient_shares(report.terms, epoch) for epoch in (0, -1))
    if not first or not last:
        return
    (name, at_first), (other, at_last) = (
        max(shares.items(), key=lambda each: each[1]) for shares in (first, last)
    )
    share = f"{100 * at_first:.0f} % of the sum of the terms' gradient norms"
    last_share, sentence = f"{100 * at_last:.0f} %", f"Term {name} has the largest gradient"
    if name == other:
        yield f"{sentence}: {share} in the first epoch, {last_share} in the last."
    else:
        yield f"{sentence} in the first epoch ({share}), {other} in the last ({last_share})."


def _terms_without_effect(report: RunReport) -> Iterator[str]:
    largest: dict[str, float] = {}
    for epoch in range(max((len(term.gradients) for term in report.terms.values()), default=0)):
        shares = gradient_shares(report.terms, epoch)
        for name, term in report.terms.items():
            if term.gradients[epoch] is not None:
                largest[name] = max(largest.get(name, 0.0), shares.get(name, 0.0))
    found = [name for name, share in largest.items() if share < _NO_EFFECT]
    if found:
        subject, it = (f"Term {found[0]} has", "it")
        if len(found) > 1:
            subject, it = (f"Terms {', '.join(found)} have", "them")
        yield (
            f"{subject} less than 0.1 % of the sum of the terms' gradient norms in every epoch, so "
            f"the student learned nothing from {it}; take {it} out, or give {it} more weight."
        )


def _speed(teaching: TeachingReport) -> Iterator[str]:
    student, untaught = teaching.student, teaching.untaught
    if student is None or not teaching.teachers:
        return
    sentence = f"The student was trained at {format_rate(student.samples_per_second)} samples/s"
    if teaching.of_untaught is not None:
        sentence += f", {100 * teaching.of_untaught:.0f} % of the untaught student's speed"
    yield f"{sentence}, and waited for answers {100 * student.wait_share:.0f} % of that time."
    if untaught is None:
        return
    shared = [
        f"{100 * speed.overlap:.0f} % of {whose} steps"
        for speed, whose in ((student, "its own"), (untaught, "the untaught student's"))
        if not speed.comparable
    ]
    if shared:
        yield (
            "Its speed is not compared with the untaught student's: other stages ran during "
            f"{' and '.join(shared)}."
        )


def _prediction(report: RunReport, teaching: TeachingReport) -> Iterator[str]:
    predicted, student, parts = teaching.prediction, teaching.student, []
    if predicted is None:
        return
    if predicted.samples_per_second is not None and student is not None:
        rate = format_rate(predicted.samples_per_second)
        parts.append(f"{rate} samples/s, measured {format_rate(student.samples_per_second)}")
    ran = {stage.name: stage.seconds for stage in report.stages if stage.ran}
    if both := [name for name in predicted.stages if name in ran]:
        seconds, measured = (
            format_duration(sum(each[name] for name in both)) for each in (predicted.stages, ran)
        )
        stages = "the stage that ran" if len(both) == 1 else f"the {len(both)} stages that ran"
        parts.append(f"{seconds} for {stages}, measured {measured}")
    if predicted.bytes is not None and teaching.bytes is not None:
        size = format_bytes(predicted.bytes)
        parts.append(f"{size} in the bank, measured {format_bytes(teaching.bytes)}")
    if parts:
        yield f"`check --measure` predicted {'; '.join(parts)}."


def repeats_sentence(repeats: RepeatReport) -> str:
    """The student's mean gain over untaught, with its interval and whether it is significant."""
    gain = repeats.gains.get("untaught")
    if gain is None:
        return "There is no untaught student to compare with."
    higher = f"It is higher on {gain.wins} of {gain.count} seeds"
    higher += f", equal on {gain.ties}." if gain.ties else "."
    sentence = (
        f"The student's mean test accuracy is {100 * abs(gain.mean):.2f} points "
        f"{'above' if gain.mean > 0 else 'below'} that of the same student without teachers"
    )
    if gain.low is None or gain.high is None:
        return f"{sentence}. {higher} One seed has no confidence interval; repeat with more."
    interval = f"95 % CI {100 * gain.low:+.2f} to {100 * gain.high:+.2f}"
    clear = gain.low > 0 or gain.high < 0
    verdict = "it differs significantly" if clear else "it does not differ significantly"
    return f"{sentence} ({interval}: {verdict}). {higher}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _small_share(share: float) -> str:
    return "less than 0.1 %" if 0 < share < _SMALLEST else _percent(share)


def _points(difference: float) -> str:
    return f"{100 * abs(difference):.1f}"
