"""Says how fast a student was taught, and what was foretold beside what came."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.formatting.units import format_bytes, format_duration, format_rate
from orchestrator.results.run_report import RunReport
from orchestrator.results.teaching_report import StepSpeed, TeachingReport


def teaching_notes(report: RunReport) -> Iterator[str]:
    """The student's speed beside the untaught one's, and what was foretold beside what came."""
    if report.teaching is None:
        return
    yield from _speed(report.teaching)
    yield from _foretold(report)


def _speed(teaching: TeachingReport) -> Iterator[str]:
    student = teaching.student
    if student is None or not teaching.teachers:
        return
    said = f"Taught, the student made {format_rate(student.samples_per_second)} samples/s"
    if teaching.of_untaught is not None:
        said += f", {100 * teaching.of_untaught:.0f} % of untaught"
    yield f"{said}, and waited for answers {100 * student.wait_share:.0f} % of that time."
    yield from _not_compared(student, teaching.untaught)


def _not_compared(student: StepSpeed, untaught: StepSpeed | None) -> Iterator[str]:
    if untaught is None or (student.alone and untaught.alone):
        return
    named = ((student, "its own steps"), (untaught, "the untaught student's"))
    beside = [f"{100 * speed.beside:.0f} % of {whose}" for speed, whose in named if not speed.alone]
    yield (
        f"Its speed is not compared with untaught: other stages ran beside {' and '.join(beside)}."
    )


def _foretold(report: RunReport) -> Iterator[str]:
    teaching = report.teaching
    if teaching is None or teaching.foretold is None:
        return
    told, parts = teaching.foretold, []
    if told.samples_per_second is not None and teaching.student is not None:
        came = format_rate(teaching.student.samples_per_second)
        parts.append(f"{format_rate(told.samples_per_second)} samples/s ({came} came)")
    came_seconds = {stage.name: stage.seconds for stage in report.stages if stage.ran}
    both = [name for name in told.stages if name in came_seconds]
    if both:
        expected = format_duration(sum(told.stages[name] for name in both))
        came = format_duration(sum(came_seconds[name] for name in both))
        stages = "1 stage" if len(both) == 1 else f"{len(both)} stages"
        parts.append(f"{expected} for {stages} that ran ({came} came)")
    if told.bytes is not None and teaching.bytes is not None:
        parts.append(
            f"{format_bytes(told.bytes)} in the bank ({format_bytes(teaching.bytes)} came)"
        )
    if parts:
        yield f"`check --measure` expected {', '.join(parts)}."
