"""Puts together what the run of a graph should take, from what was timed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.formatting import counted
from orchestrator.planning.controls import untaught_stage
from orchestrator.planning.graph import Choice
from orchestrator.planning.stage import Stage
from orchestrator.planning.thread_allocation import ranks_of, resolve
from orchestrator.profiling.bench import Bench
from orchestrator.profiling.graph_timing import Timings, time_graph
from orchestrator.profiling.measured_plan import ExpectedStage, MeasuredBank, MeasuredPlan, Speeds
from orchestrator.profiling.stage_estimate import (
    TimedStage,
    expected_stage,
    run_seconds,
    workload,
)
from teachers.bank.budget import bytes_of_one_view
from teachers.config import BankConfig


def measured_plan(bench: Bench) -> MeasuredPlan:
    """Times all that a run of the graph consists of, and estimates the run."""
    graph, student, cores = bench.graph, bench.graph.stage("student"), bench.session.cores
    # A stage may have two names, as of a candidate and of the assistant.
    distinct = {stage.digest: stage for stage in reversed(graph.stages)}
    single = [stage for stage in graph.stages if distinct[stage.digest] is stage]
    left = [stage for stage in single if not bench.store.finished(stage)]
    timings, parallel = time_graph(bench, left), bench.session.pool.runtime.parallel
    stages = tuple(_expected(bench, left, timings))
    each = [(s, e, _threads(s, e, cores)) for s, e in zip(left, stages, strict=True)]
    untaught = timings.stages[untaught_stage(graph.stages).name]
    return MeasuredPlan(
        name=graph.name,
        recipe_digest=graph.digest,
        cores=cores,
        measuring_seconds=0.0,
        student_threads=resolve(student, cores)["student"],
        speeds=_speeds(untaught, timings.stages[student.name], taught=bool(student.teachers)),
        teachers=timings.teachers,
        bank=_bank(bench, student),
        stages=stages,
        seconds=run_seconds(each, cores, parallel=parallel),
        assumed=(*_assumptions(timings, cores, parallel=parallel), *_open_choices(bench)),
    )


def _expected(bench: Bench, left: Sequence[Stage], timings: Timings) -> Iterator[ExpectedStage]:
    stored = _answered(bench, bench.graph.stage("student"))
    for stage in left:
        work = workload(stage, bench.transfer_set)
        if stage.evaluates is None:
            yield expected_stage(stage, work, timings.stages[stage.name], stored)
        else:
            teacher = timings.teachers[stage.evaluates.name]
            per_image = (teacher.gain or 1.0) / teacher.rate
            seconds, test_seconds = work.validation * per_image, work.test * per_image
            yield ExpectedStage(stage.title, stage.digest, seconds, test_seconds)


def _answered(bench: Bench, student: Stage) -> set[str]:
    """The teachers whose answers to the student are all in the real home's bank."""
    if not all(bench.store.outcome(output) for output in student.references()):
        return set()
    teachers = bench.teachers(student, bench.store)
    return {teacher.ref.name for teacher in teachers if teacher.is_answered}


def _threads(stage: Stage, expected: ExpectedStage, cores: int) -> int:
    """On which the stage's roles compute, without teachers that compute nothing."""
    resolved = resolve(stage, cores)
    teaching = stage.teachers if expected.asked else ()
    return ranks_of(stage) * resolved["student"] + sum(
        ref.replicas * resolved["teachers"][ref.name] for ref in teaching
    )


def _speeds(untaught: TimedStage, student: TimedStage, *, taught: bool) -> Speeds:
    if not taught:
        return Speeds(untaught.computed.rate)
    # One step is too few to tell a speed by; that is all there is if a view has two.
    computed = student.computed.rate if student.computed.counted > 1 else None
    return Speeds(untaught.computed.rate, computed, student.read.rate if student.read else None)


def _bank(bench: Bench, student: Stage) -> MeasuredBank | None:
    """What all answers of the student's stage take, under all its views, of all teachers."""
    bank, data = student.ensemble.bank, bench.transfer_set
    if not student.teachers or not isinstance(bank, BankConfig):
        return None
    work = workload(student, data)
    of_one_view = (
        bytes_of_one_view(answers.shelf.columns, len(data.targets), work.distinct)
        for answers in bench.answers(student).values()
        if answers.shelf is not None
    )
    return MeasuredBank(work.views * sum(of_one_view), bank.budget)


def _open_choices(bench: Bench) -> Iterator[str]:
    decisions = bench.graph.decisions
    for node in bench.graph.nodes:
        if isinstance(node, Choice) and bench.store.decision(node) is None:
            yield f"{node.title} is open: {decisions[node.title].chosen} is taken here."


def _assumptions(timings: Timings, cores: int, *, parallel: bool) -> Iterator[str]:
    """What the estimate rests on, in sentences."""
    if parallel:
        yield (
            "Each stage was run by itself, for some seconds; stages that run side by side are "
            f"assumed to share {counted(cores, 'core')} without loss, so the run may take longer."
        )
    else:
        yield "Each stage was run by itself, for some seconds; in one process they take turns."
    teachers = timings.teachers
    if untrained := [name for name, each in teachers.items() if each.training_rate is not None]:
        yield f"Still to be trained, so timed with untrained weights: {', '.join(untrained)}."
    if any(
        each.gain is not None and "compiled" not in each.inference for each in teachers.values()
    ):
        yield "A run may also compile a teacher if that saves time; here it was not tried."
    first = [timed.computed for timed in timings.stages.values()]
    if any(each.epoch_seconds is None and each.total_seconds is None for each in first):
        yield (
            "Where no epoch ended, validation is assumed to take a third of the time that training "
            "takes per sample."
        )
