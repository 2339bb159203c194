"""Collects how a student was taught: its teachers' inference, its speed, what was predicted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from orchestrator.execution.stage_teacher import StageTeacher
from orchestrator.execution.stage_works import StageResult
from orchestrator.home.store import Store
from orchestrator.planning.graph import Graph
from orchestrator.planning.stage import StageRole, TeacherRef
from orchestrator.results.teaching_report import (
    StepSpeed,
    TeacherRun,
    TeachingReport,
    read_prediction,
)
from students.errors import CheckpointError
from students.json_records import warn_once
from students.knowledge import AnswerCounts
from students.storage.step_log import Row, Segments, read_committed
from students.transfer_sets.transfer_set import TransferSet
from teachers.bank.budget import views_on_disk
from teachers.bank.shelf import shelf_digest
from teachers.inference.inference_config import InferenceConfig
from teachers.qualification.records import Tuning, Verdict, read_record

Span = tuple[float, float]
"""Beginning and end, in milliseconds since 1970."""

_PAUSE = 5_000.0
"""Milliseconds between two steps that still count as work: validation, a checkpoint."""


def collect_teaching(
    graph: Graph,
    store: Store,
    transfer_set: TransferSet,
    own: Sequence[StageResult],
    results: Sequence[StageResult],
) -> TeachingReport:
    """How the student was taught, as far as that is stored; ``own`` are the stages of one repeat,
    ``results`` those of all repeats."""
    student = next(result for result in own if result.stage.role is StageRole.STUDENT)
    untaught = next((r for r in own if r.stage.name == "controls.untaught"), None)
    stage, outcomes = student.stage, student.outcomes.values()
    shelves = {
        ref.name: store.bank
        / shelf_digest(StageTeacher(stage, ref, store, transfer_set).description)
        for ref in stage.teachers
    }
    resolved = store.resolved(stage.digest)
    inferences = {
        name: InferenceConfig.from_json(each)
        for name, each in (resolved.get("manners", {}) if resolved else {}).items()
    }
    stored = {view for shelf in set(shelves.values()) for view in views_on_disk(shelf)}
    counts = {name: count for outcome in outcomes for name, count in outcome.answers.items()}
    return TeachingReport(
        teachers={
            ref.name: _teacher_run(
                ref, inferences.get(ref.name), shelves[ref.name], counts.get(ref.name)
            )
            for ref in stage.teachers
        },
        student=_speed(store, student, results),
        untaught=None if untaught is None else _speed(store, untaught, results),
        bytes=sum(view.bytes for view in stored) if shelves else None,
        prediction=read_prediction(store.runs / graph.run_name, stage.digest),
    )


def _speed(store: Store, result: StageResult, results: Sequence[StageResult]) -> StepSpeed | None:
    others = (
        stage_spans(store.folder(other.stage.digest), _segments(other))
        for other in results
        if other.stage.digest != result.stage.digest
    )
    rows = committed_rows(store.folder(result.stage.digest), _segments(result))
    return step_speed(rows, others)


def _segments(result: StageResult) -> Segments:
    """The committed parts of the stage's step log, which its models share."""
    return next(iter(result.outcomes.values())).segments


def _teacher_run(
    ref: TeacherRef, inference: InferenceConfig | None, shelf: Path, counts: AnswerCounts | None
) -> TeacherRun:
    """Teacher ``ref``, whose records lie in ``shelf``: they count if they are of this inference."""
    answers = {} if counts is None else vars(counts)
    if inference is None:
        return TeacherRun(**answers)
    run = TeacherRun(inference=str(inference), **answers)
    tuning, verdict = read_record(shelf, Tuning), read_record(shelf, Verdict)
    if tuning is not None and tuning.chosen == inference:
        run = replace(run, plain_rate=tuning.plain_rate, chosen_rate=tuning.chosen_rate)
    if verdict is not None and verdict.inference == inference:
        kl, same = verdict.fidelity.mean_kl, verdict.fidelity.same_argmax
        verdict = verdict.of_anchor() if ref.output.is_anchor else verdict
        run = replace(run, kl=kl, same_argmax=same, verdict=str(verdict))
    return run


def committed_rows(folder: Path, segments: Segments) -> list[Row]:
    """The rows of the finished stage in ``folder``; none where its step log is damaged, which is
    reported."""
    try:
        return list(read_committed(folder, segments))
    except CheckpointError as error:
        warn_once(str(error))
        return []


@lru_cache(maxsize=1024)
def stage_spans(folder: Path, segments: Segments) -> tuple[Span, ...]:
    """When the stage in ``folder`` was running; never, where its step log is gone."""
    return spans_of(committed_rows(folder, segments))


def spans_of(rows: Iterable[Row]) -> tuple[Span, ...]:
    """When a stage was running: its steps, and the short pauses between them."""
    return _merged((_span(row) for row in rows if row.kind == "step"), _PAUSE)


def step_speed(rows: Iterable[Row], others: Iterable[Sequence[Span]] = ()) -> StepSpeed | None:
    """The speed of all steps but the first, which includes preparation; none where there are no
    others. ``others`` is when each other stage was running."""
    steps = [row for row in rows if row.kind == "step"][1:]
    seconds, samples, waited = (
        sum(row.values[key] for row in steps) for key in ("step_seconds", "samples", "wait_seconds")
    )
    if not seconds:
        return None
    busy = _merged((span for spans in others for span in spans), 0.0)
    shared = sum(
        max(0.0, min(end, until) - max(begin, since))
        for begin, end in map(_span, steps)
        for since, until in busy
    )
    return StepSpeed(samples / seconds, waited / seconds, shared / (1000 * seconds))


def _span(step: Row) -> Span:
    return step.time_ms - 1000 * step.values.get("step_seconds", 0.0), float(step.time_ms)


def _merged(spans: Iterable[Span], pause: float) -> tuple[Span, ...]:
    """The same times without overlaps, and without gaps shorter than ``pause``."""
    merged: list[Span] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1] + pause:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return tuple(merged)
