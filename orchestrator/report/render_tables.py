"""Builds the tables of a report (of one run, of several runs, of several seeds) and prints it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.formatting import ABSENT, Grid, print_grid, print_sentences
from orchestrator.report.render_choice import choice_table
from orchestrator.report.render_summary import is_optimistic, repeats_sentence, summary
from orchestrator.results.finished_run import Paired, RepeatReport
from orchestrator.results.run_report import ModelReport, PartScores, RunReport
from orchestrator.results.teaching_report import (
    TeacherRun,
    TermReport,
    WeightingReport,
    gradient_shares,
)

LABEL = "(the label)"
"""The row of the samples whose target was the label."""
_SMALLEST_KL = 1e-12
"""Less than that is rounding."""


def print_report(report: RunReport, repeats: RepeatReport | None) -> None:
    """Prints the tables and sentences of one run, and of its ``repeats`` if there are several
    seeds; fits 100 columns."""
    print_sentences([f"{report.title}: {report.outcome} in {report.seconds:.1f} s"])
    for grid in report_tables(report):
        print_grid(grid)
    print_sentences(summary(report))
    if repeats is not None:
        print_grid(repeats_table(repeats))
        print_sentences([repeats_sentence(repeats)])


def report_tables(report: RunReport) -> tuple[Grid, ...]:
    """The tables of one run for which there are figures; one loss term alone needs none."""
    models, tables = report.models(), []
    if models:
        largest = max((each.parameters for each in report.teachers.values()), default=0)
        tables += [_accuracy(models), _size(models, largest)]
    if report.choice is not None:
        tables.append(choice_table(report.choice))
    if report.teaching is not None and report.teaching.teachers:
        tables.append(_inference(report.teaching.teachers))
    if report.teacher_weights is not None:
        tables.append(_weights(report.teacher_weights))
    if len(report.terms) > 1:
        tables.append(_terms(report.terms))
    return tuple(tables)


def _accuracy(models: Sequence[ModelReport]) -> Grid:
    headers = ("model", "test %", "NLL", "ECE %", "agreement %", "validation %")
    rows: list[tuple[str, ...]] = []
    for model in models:
        some = "" if model.classes is None else f" ({len(model.classes)} classes)"
        validation = _percent(model.validation.accuracy) if model.validation else ABSENT
        mark = "*" if is_optimistic(model) else ""
        rows.append((model_label(model) + some, *_scores(model.test), validation + mark))
        if model.corrected is not None:
            rows.append((f"{model.name}, prior corrected", *_scores(model.corrected), ABSENT))
    return Grid("Accuracy", headers, tuple(rows))


def _scores(scores: PartScores) -> tuple[str, ...]:
    agreement = _percent(scores.agreement)
    return _percent(scores.accuracy), f"{scores.nll:.4f}", _percent(scores.ece), agreement


def model_label(model: ModelReport) -> str:
    """What a model is called in tables and pictures."""
    if model.role in ("assistant", "generation", "route"):
        return f"{model.role} {model.name.rpartition('.')[2]}"
    if model.name == "generations":
        return "all generations"
    if model.role == "first_stage":
        return "first stage"
    return f"teacher {model.name}" if model.role == "teacher" else model.name


def _size(models: Sequence[ModelReport], largest: int) -> Grid:
    title = "Model size and latency (of one sample; size relative to the largest teacher)"
    headers = ("model", "parameters", "MACs", "bytes", "ms, batch 1", "ms, batch 64", "relative")
    rows = tuple(
        (
            model_label(model),
            *(f"{count:,}" for count in (model.parameters, model.macs, model.bytes)),
            *(_figure(model.latency_ms.get(batch)) for batch in ("1", "64")),
            relative_size(model.parameters, largest),
        )
        for model in models
    )
    return Grid(title, headers, rows)


def relative_size(parameters: int, largest: int) -> str:
    """Parameters against those of the largest teacher: ``1/85``, ``1/1.3``, ``1`` or ``2.1``."""
    if not parameters or not largest:
        return ABSENT
    if parameters >= largest:
        return f"{parameters / largest:.3g}"
    parts = largest / parameters
    return f"1/{parts:.0f}" if parts >= 10 else f"1/{parts:.2g}"


def _inference(teachers: Mapping[str, TeacherRun]) -> Grid:
    title = "Teacher inference (speed, KL and same class against plain fp32)"
    headers = ("teacher", "inference", "parity", "speed", "KL", "same %", "answers", "computed")
    rows = tuple(
        (
            name,
            run.inference or ABSENT,
            run.verdict or ABSENT,
            ABSENT if run.speedup is None else f"{run.speedup:.1f}x",
            ABSENT if run.kl is None else f"{run.kl:.1e}" if run.kl >= _SMALLEST_KL else "0",
            _percent(run.same_argmax, 1),
            f"{run.read + run.asked:,}",
            f"{run.computed:,}",
        )
        for name, run in teachers.items()
    )
    return Grid(title, headers, rows, words=3)


def _weights(weights: WeightingReport) -> Grid:
    title = f"Teacher weights by class and epoch (weighting {weights.rule}; mean weight in %)"
    headers = ("teacher", "first epoch", "last epoch", "highest for", "lowest for")
    rows = [
        (name, _percent(shares[0], 1), _percent(shares[-1], 1), *_extremes(weights, name))
        for name, shares in weights.weights.items()
    ]
    if any(weights.fallback_shares):
        first, last = weights.fallback_shares[0], weights.fallback_shares[-1]
        rows.append((LABEL, _percent(first, 1), _percent(last, 1), ABSENT, ABSENT))
    return Grid(title, headers, tuple(rows))


def _extremes(weights: WeightingReport, teacher: str) -> tuple[str, str]:
    """The classes for which a teacher's weight is highest and lowest in the last epoch."""
    shares = weights.by_class.get(teacher, ())
    known = sorted((share, number) for number, share in enumerate(shares) if share is not None)
    if not known:
        return ABSENT, ABSENT
    lowest, highest = (
        f"{weights.classes[number]} ({_percent(share, 1)})"
        for share, number in (known[0], known[-1])
    )
    return highest, lowest


def _terms(terms: Mapping[str, TermReport]) -> Grid:
    title = "Loss terms: value, weight, gradient norm"
    title += " (first and last epoch; gradients are weighted)"
    headers = ("term", "value, last", "weight", "gradient, first", "gradient, last", "share %")
    shares = gradient_shares(terms, -1)
    rows = tuple(
        (
            name,
            _figure(term.values[-1]),
            " to ".join(dict.fromkeys(_figure(term.weights[epoch]) for epoch in (0, -1))),
            *(_figure(term.gradients[epoch]) for epoch in (0, -1)),
            _percent(shares.get(name), 1),
        )
        for name, term in terms.items()
    )
    return Grid(title, headers, rows)


def comparison_table(reports: Sequence[RunReport]) -> Grid:
    """Several runs side by side, one a line."""
    headers = ("run", "outcome", "student %", "untaught %", "gain", "ensemble %", "NLL",
               "parameters")  # fmt: skip
    rows = tuple(
        (
            report.title,
            report.outcome,
            *gain_cells(report),
            _percent(report.ensemble.test.accuracy) if report.ensemble else ABSENT,
            f"{report.student.test.nll:.4f}" if report.student else ABSENT,
            f"{report.student.parameters:,}" if report.student else ABSENT,
        )
        for report in reports
    )
    return Grid("Runs", headers, rows)


def gain_cells(report: RunReport) -> tuple[str, str, str]:
    """Test accuracy of the student and of the untaught one in %, their difference in points."""
    student, untaught, gain = report.gain
    return _percent(student), _percent(untaught), _signed(gain)


def repeats_table(repeats: RepeatReport) -> Grid:
    """Mean test accuracies over the seeds, and the student's paired gains."""
    title = f"Test accuracy over {repeats.repeats} seeds (gain of the student in points, paired)"
    headers = ("model", "test %", "sd", "gain", "sd", "95 % CI", "wins")
    rows = tuple(
        (name, _percent(of.mean), _percent(of.deviation), *_gain(repeats.gains.get(name)))
        for name, of in repeats.accuracy.items()
    )
    return Grid(title, headers, rows)


def _gain(gain: Paired | None) -> tuple[str, ...]:
    if gain is None:
        return (ABSENT,) * 4
    interval = ABSENT if gain.low is None else f"{_signed(gain.low)} to {_signed(gain.high)}"
    wins = f"{gain.wins} of {gain.count}"
    return _signed(gain.mean), _percent(gain.deviation), interval, wins


def _percent(share: float | None, digits: int = 2) -> str:
    return ABSENT if share is None else f"{100 * share:.{digits}f}"


def _signed(difference: float | None) -> str:
    return ABSENT if difference is None else f"{100 * difference:+.2f}"


def _figure(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.3g}"
