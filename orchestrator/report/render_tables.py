"""The report's tables: how well each model does, how large it is, and several runs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.text import Text

from orchestrator.formatting.table import ABSENT, Grid, print_grid
from orchestrator.report.render_summary import is_flattered, notes, percent
from orchestrator.report.render_weighting_tables import lesson_grids
from orchestrator.results.run_report import ModelReport, PartScores, RunReport
from orchestrator.results.teaching_report import TeacherRun

_SMALLEST_KL = 1e-12
"""Less than that is rounding."""


def report_grids(report: RunReport) -> tuple[Grid, ...]:
    """The tables of one run."""
    models = report.models()
    if not models:
        return ()
    sizes = _size(models, tuple(report.teachers.values()))
    teaching = report.teaching.teachers if report.teaching is not None else {}
    taught = [_teaching(teaching)] if teaching else []
    return (_quality(models), sizes, *taught, *lesson_grids(report))


def _quality(models: Sequence[ModelReport]) -> Grid:
    headers = ("model", "test %", "NLL", "ECE %", "agreement %", "validation %")
    rows: list[tuple[str, ...]] = []
    for model in models:
        held = percent(model.validation.accuracy) if model.validation else ABSENT
        mark = "*" if is_flattered(model) else ""
        rows.append((_on(model), *_figures(model.test), held + mark))
        if model.corrected is not None:
            rows.append((f"{model.name}, prior corrected", *_figures(model.corrected), ABSENT))
    return Grid("How well they do", headers, tuple(rows))


def _figures(scores: PartScores) -> tuple[str, ...]:
    agreement = ABSENT if scores.agreement is None else percent(scores.agreement)
    return (percent(scores.accuracy), f"{scores.nll:.4f}", percent(scores.ece), agreement)


def _label(model: ModelReport) -> str:
    return f"teacher {model.name}" if model.role == "teacher" else model.name


def _on(model: ModelReport) -> str:
    """The label, with how many classes the figures are on, where these are not all."""
    some = "" if model.classes is None else f" ({len(model.classes)} classes)"
    return _label(model) + some


def _size(models: Sequence[ModelReport], teachers: Sequence[ModelReport]) -> Grid:
    headers = (
        "model",
        "parameters",
        "MACs",
        "bytes",
        "ms, batch 1",
        "ms, batch 64",
        "of largest",
    )
    largest = max((each.parameters for each in teachers), default=0)
    rows = [
        (
            _label(model),
            f"{model.parameters:,}",
            f"{model.macs:,}",
            f"{model.bytes:,}",
            _milliseconds(model, "1"),
            _milliseconds(model, "64"),
            ratio(model.parameters, largest),
        )
        for model in models
    ]
    return Grid(
        "How large they are (MACs and ms for one sample; parts of the largest teacher)",
        headers,
        tuple(rows),
    )


def _teaching(teachers: Mapping[str, TeacherRun]) -> Grid:
    headers = ("teacher", "run in", "gained", "KL", "same %", "parity", "answers", "computed")
    rows = tuple(_taught_by(name, each) for name, each in teachers.items())
    title = "How they taught (gained on plain fp32; KL and same answers against it)"
    return Grid(title, headers, rows, words=2)


def _taught_by(name: str, run: TeacherRun) -> tuple[str, ...]:
    return (
        name,
        run.inference or ABSENT,
        ABSENT if run.gain is None else f"{run.gain:.1f}x",
        ABSENT if run.kl is None else _divergence(run.kl),
        ABSENT if run.same_argmax is None else f"{100 * run.same_argmax:.1f}",
        run.verdict or ABSENT,
        f"{run.read + run.asked:,}",
        f"{run.computed:,}",
    )


def _divergence(kl: float) -> str:
    return f"{kl:.1e}" if kl >= _SMALLEST_KL else "0"


def _milliseconds(model: ModelReport, batch: str) -> str:
    value = model.latency_ms.get(batch)
    return ABSENT if value is None else f"{value:.3g}"


def ratio(parameters: int, largest: int) -> str:
    """Parameters against those of the largest teacher: ``1/85``, ``1/1.3``, ``1`` or ``2.1``."""
    if not parameters or not largest:
        return ABSENT
    if parameters >= largest:
        return f"{parameters / largest:.3g}"
    parts = largest / parameters
    return f"1/{parts:.0f}" if parts >= 10 else f"1/{parts:.2g}"


def compare_grid(reports: Sequence[RunReport]) -> Grid:
    """Several runs side by side, one a line."""
    headers = (
        "run",
        "outcome",
        "student %",
        "untaught %",
        "gain",
        "ensemble %",
        "NLL",
        "parameters",
    )
    return Grid("Runs", headers, tuple(_run_line(report) for report in reports))


def _run_line(report: RunReport) -> tuple[str, ...]:
    student, untaught = report.student, report.untaught
    gain = (
        f"{100 * (student.test.accuracy - untaught.test.accuracy):+.2f}"
        if student is not None and untaught is not None
        else ABSENT
    )
    return (
        report.title,
        report.outcome,
        _accuracy(student),
        _accuracy(untaught),
        gain,
        _accuracy(report.ensemble),
        f"{student.test.nll:.4f}" if student else ABSENT,
        f"{student.parameters:,}" if student else ABSENT,
    )


def _accuracy(model: ModelReport | None) -> str:
    return ABSENT if model is None else percent(model.test.accuracy)


def print_report(report: RunReport, console: Console) -> None:
    """Draws the tables of one run and says its sentences; fits 100 columns."""
    console.print(Text(f"{report.title}: {report.outcome} in {report.seconds:.1f} s"))
    for grid in report_grids(report):
        print_grid(grid, console)
    for note in notes(report):
        console.print(Text(note))


def print_comparison(reports: Sequence[RunReport], console: Console) -> None:
    """Draws several runs side by side."""
    print_grid(compare_grid(reports), console)
