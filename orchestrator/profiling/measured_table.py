"""Prints a measurement: teachers, the student's speeds, the run, and what is assumed."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.formatting import (
    Grid,
    format_bytes,
    format_duration,
    format_rate,
    print_grid,
    print_sentences,
)
from orchestrator.profiling.measured_plan import MeasuredPlan


def print_measured(measured: MeasuredPlan) -> None:
    """Prints the tables and the sentences; fits 100 columns."""
    for grid in grids(measured):
        print_grid(grid)
    print_sentences(sentences(measured))


def grids(measured: MeasuredPlan) -> Iterator[Grid]:
    """The teachers, the student, and the stages that are still to be run."""
    if measured.teachers:
        yield _teachers(measured)
    yield _student(measured)
    if measured.stages:
        rows = tuple(
            (stage.name, format_duration(stage.seconds), format_rate(stage.samples_per_second))
            for stage in measured.stages
        )
        yield Grid("Stages still to be run, each by itself", ("stage", "time", "samples/s"), rows)


def _teachers(measured: MeasuredPlan) -> Grid:
    headers = ("teacher", "run in", "answers/s", "against plain fp32", "in training")
    rows = tuple(
        (
            name,
            each.inference,
            format_rate(each.rate),
            "-" if each.gain is None else f"{each.gain:.2f} times",
            format_rate(each.training_rate),
        )
        for name, each in measured.teachers.items()
    )
    return Grid("Teachers, each by itself (samples/s)", headers, rows, words=2)


def _student(measured: MeasuredPlan) -> Grid:
    speeds = measured.speeds
    rates = {
        "untaught": speeds.untaught,
        "taught, teachers compute the answers": speeds.computed,
        "taught, answers read from the bank": speeds.read,
    }
    rows = tuple(
        (name, format_rate(rate), f"{rate / speeds.untaught:.0%}".replace("%", " %"))
        for name, rate in rates.items()
        if rate is not None
    )
    title = f"The student on {measured.cores} cores"
    return Grid(title, ("student", "samples/s", "of untaught"), rows)


def sentences(measured: MeasuredPlan) -> Iterator[str]:
    """The whole run, the bank, and what all of it rests on."""
    if measured.stages:
        yield f"The whole run should take about {format_duration(measured.seconds)}."
    else:
        yield "All stages are stored: there is nothing left to run."
    if (bank := measured.bank) is not None:
        room = format_bytes(bank.budget)
        size = f"All answers take {format_bytes(bank.bytes)} in the bank"
        if bank.fits:
            yield f"{size}, whose budget is {room}."
        else:
            yield (
                f"{size}, more than its budget of {room}: answers that were stored first are "
                "deleted before they are read again. Raise `ensemble.bank.budget_gb`, lower "
                "`transfer_set.views`, or keep less (`ensemble.bank.top_k`)."
            )
    yield from measured.assumed
    yield f"Measured in {measured.measuring_seconds:.0f} s."
