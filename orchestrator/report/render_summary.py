"""Says in sentences what a run found: gain, gap closed, what is flattering, what was not shown."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.report.render_speed_summary import teaching_notes
from orchestrator.report.render_weighting_summary import lesson_notes
from orchestrator.results.run_report import ModelReport, PartScores, RunReport

_SMALLEST = 0.00005  # A difference that two decimals of a percentage show as nothing.


def percent(share: float) -> str:
    """A share as a percentage with two decimals, without the sign."""
    return f"{100 * share:.2f}"


def points(difference: float) -> str:
    """A difference of shares in percentage points, without its direction."""
    return f"{100 * abs(difference):.2f} points"


def closing_sentence(report: RunReport) -> str:
    """What the student gained over untaught, and which part of the gap to its ensemble it closed.

    All figures are of the test part.
    """
    student, ensemble = report.student, report.ensemble
    if student is None:
        return f"The run ended ({report.outcome}) before its student was taught."
    own = student.test.accuracy
    if report.untaught is None:
        return f"The student names {percent(own)} % of the test samples rightly" + (
            f"; its ensemble {percent(ensemble.test.accuracy)} %." if ensemble else "."
        )
    base = report.untaught.test.accuracy
    first = f"The student {_change(own, base)} ({percent(own)} % against {percent(base)} %)"
    if ensemble is None:
        return f"{first}."
    return f"{first}{_gap(own, base, ensemble.test.accuracy)}."


def _change(own: float, base: float) -> str:
    if abs(own - base) < _SMALLEST:
        return "is as good as the same student untaught"
    verb = "gained" if own > base else "lost"
    return f"{verb} {points(own - base)} against the same student untaught"


def _gap(own: float, base: float, top: float) -> str:
    goal = f"its ensemble ({percent(top)} %)"
    if top - base < _SMALLEST:
        return f"; there was no gap to close, for {goal} is no better than untaught"
    share = (own - base) / (top - base)
    if own - top >= _SMALLEST:
        return f" and stands {points(own - top)} above {goal}"
    if own - base >= _SMALLEST:
        return f" and closed {100 * share:.0f} % of the gap to {goal}"
    if abs(own - base) < _SMALLEST:
        return f" and closed nothing of the gap to {goal}"
    return f"; the gap to {goal} grew from {points(top - base)} to {points(top - own)}"


def notes(report: RunReport) -> tuple[str, ...]:
    """The sentences below the tables, the closing one last."""
    return (
        *_flattered(report),
        *_of_some_classes(report),
        *_unseen(report),
        *_corrected(report),
        *report.remarks,
        *lesson_notes(report),
        *teaching_notes(report),
        closing_sentence(report),
    )


def is_flattered(model: ModelReport) -> bool:
    """Whether the validation figures flatter a model, for its weights have seen those samples."""
    return model.seen_training and model.validation is not None


def _flattered(report: RunReport) -> Iterator[str]:
    if any(is_flattered(model) for model in report.models()):
        yield (
            "* These weights have seen the training samples, of which the validation part is "
            "taken: the validation figure flatters, the test figure does not."
        )


def _of_some_classes(report: RunReport) -> Iterator[str]:
    names = report.dark_knowledge.classes if report.dark_knowledge else ()
    some = [
        f"'{model.name}' ({', '.join(names[each] if names else str(each) for each in known)})"
        for model in report.models()
        if (known := model.classes) is not None
    ]
    if some:
        yield (
            f"Teachers that know some classes: {', '.join(some)}. Their figures are on samples of "
            "these classes alone, which are not those of the others."
        )


def _corrected(report: RunReport) -> Iterator[str]:
    for model in (report.student, report.untaught):
        if model is not None and model.corrected is not None:
            before, after = model.test.accuracy, model.corrected.accuracy
            yield (
                f"After prior correction (one shift per class, no labels used) {_called(model)} "
                f"names {percent(after)} % rightly instead of {percent(before)} %."
            )


def _unseen(report: RunReport) -> Iterator[str]:
    for index in report.omitted:
        label = report.dark_knowledge.classes[index] if report.dark_knowledge else str(index)
        parts = [
            f"{_called(model)} names {shares} rightly"
            for model in (report.student, report.untaught)
            if model is not None and (shares := _on_class(model, index))
        ]
        if parts:
            yield f"Of class '{label}', which was never shown, {', '.join(parts)}."


def _called(model: ModelReport) -> str:
    return "the student" if model.role == "student" else f"'{model.name}'"


def _on_class(model: ModelReport, index: int) -> str:
    plain = _class_share(model.test, index)
    corrected = _class_share(model.corrected, index)
    if plain is None:
        return ""
    after = f" ({percent(corrected)} % after prior correction)" if corrected is not None else ""
    return f"{percent(plain)} %{after}"


def _class_share(scores: PartScores | None, index: int) -> float | None:
    return scores.per_class[index] if scores is not None and scores.per_class else None
