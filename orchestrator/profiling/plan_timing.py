"""Times the stages and teachers of a plan, and puts together what its run should take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from orchestrator.formatting import counted
from orchestrator.planning.plan import Stage, make_plan
from orchestrator.planning.thread_allocation import resolve
from orchestrator.profiling.bench import Bench
from orchestrator.profiling.measured_plan import (
    ExpectedStage,
    MeasuredBank,
    MeasuredPlan,
    MeasuredTeacher,
    Speeds,
)
from orchestrator.profiling.short_run import time_stage
from orchestrator.profiling.stage_estimate import (
    TimedStage,
    expected_stage,
    run_seconds,
    workload,
)
from orchestrator.profiling.teacher_timing import prepare_teacher, time_teacher
from teachers.bank.budget import bytes_of_one_view
from teachers.config import BankConfig
from teachers.inference.inference_config import plain
from teachers.serving.answer_spec import AnswerSpec

Timings = dict[str, TimedStage]
Teachers = Mapping[str, MeasuredTeacher]


def measured_plan(bench: Bench) -> MeasuredPlan:
    """Times all that a run of the plan consists of, one thing after the other."""
    plan, student = bench.plan, bench.plan.stage("student")
    left = [stage for stage in plan.stages if not bench.is_stored(stage)]
    timings: Timings = {}
    for stage in left:
        if stage.kind == "teach" and stage.name.startswith("teachers."):
            timings[stage.name] = _time(bench, stage)
    for name in plan.recipe.teachers:
        prepare_teacher(bench, name)
    teachers = dict(_timed_teachers(bench, left, timings))
    for stage in (student, _untaught(bench), *left):
        if stage.kind == "teach" and stage.name not in timings:
            timings[stage.name] = _time(bench, stage)
    stages = tuple(_expected(bench, left, timings, teachers))
    each = [(s, e.seconds, _threads(bench, s, e)) for s, e in zip(left, stages, strict=True)]
    return MeasuredPlan(
        name=plan.recipe.name,
        recipe_digest=plan.digest,
        cores=bench.cores,
        measuring_seconds=0.0,
        student_threads=resolve(student, plan, bench.cores)["student"],
        speeds=_speeds(student, timings),
        teachers=teachers,
        bank=_bank(bench, student),
        stages=stages,
        seconds=run_seconds(each, bench.cores, parallel=bench.runtime.parallel),
        assumed=tuple(_assumptions(bench, teachers, timings)),
    )


def _untaught(bench: Bench) -> Stage:
    """The untaught student, which a plan may lack."""
    plan = bench.plan
    recipe = plan.recipe.model_copy(update={"controls": ("untaught",)})
    made = make_plan(recipe, folder=plan.folder, cache=bench.store.cache, identity=plan.identity)
    return made.stage("controls.untaught")


def _time(bench: Bench, stage: Stage) -> TimedStage:
    """Runs the stage for a while; a taught one with a bank again, on the stored answers."""
    bench.say(f"running {stage.name}")
    if not stage.teachers:
        return TimedStage(time_stage(bench, stage))
    views = workload(stage, bench.transfer_set).views
    computed = time_stage(bench, stage, epochs=views)
    if not isinstance(stage.ensemble.bank, BankConfig):
        return TimedStage(computed)
    bench.say(f"running {stage.name} with stored answers")
    read = time_stage(bench, stage, most_steps=computed.steps)
    uncached = {name for name in stage.teachers if not _answers(bench, stage, name).complete_shelf}
    return TimedStage(computed, read, frozenset(uncached))


def _answers(bench: Bench, stage: Stage, name: str) -> AnswerSpec:
    shelves = bench.runner.teachers.bank_shelves
    return shelves.answer_spec(stage, name, shelves.folder(name), plain(1))


def _timed_teachers(
    bench: Bench, left: list[Stage], timings: Timings
) -> Iterator[tuple[str, MeasuredTeacher]]:
    """The student's teachers, and those that are only evaluated."""
    plan, student = bench.plan, bench.plan.stage("student")
    configs = bench.runner.teachers.readiness(student).configs
    for name in plan.recipe.teachers:
        own = plan.stage(f"teachers.{name}")
        if name in student.teachers:
            stage = student
            threads = resolve(student, plan, bench.cores, configs)["teachers"][name]
        elif own in left and own.kind == "examine":
            stage, threads = own, resolve(own, plan, bench.cores)["student"]
        else:
            continue
        bench.say(f"timing teacher '{name}'")
        measured, training = time_teacher(bench, name, stage, threads), timings.get(own.name)
        yield name, replace(measured, training_rate=training.computed.rate if training else None)


def _expected(
    bench: Bench, left: list[Stage], timings: Timings, teachers: Teachers
) -> Iterator[ExpectedStage]:
    student = bench.plan.stage("student")
    finished = not any(need in {stage.digest for stage in left} for need in student.needs)
    stored = set(bench.real_runner.teachers.readiness(student).stored) if finished else set()
    for stage in left:
        work, timed = workload(stage, bench.transfer_set), timings.get(stage.name)
        if timed is not None:
            yield expected_stage(stage, work, timed, stored)
        else:
            teacher = teachers[stage.name.removeprefix("teachers.")]
            plain_rate = teacher.rate / (teacher.gain or 1.0)
            seconds = (work.validation + work.test) / plain_rate
            yield ExpectedStage(stage.title, stage.digest, seconds)


def _threads(bench: Bench, stage: Stage, expected: ExpectedStage) -> int:
    """On which the stage's roles compute, without teachers that compute nothing."""
    resolved, recipe = resolve(stage, bench.plan, bench.cores), bench.plan.recipe
    ranks = sum(spec.engine.ranks for spec in stage.cohort) or 1
    teaching = stage.teachers if expected.asked else ()
    return ranks * resolved["student"] + sum(
        recipe.teachers[name].replicas * resolved["teachers"][name] for name in teaching
    )


def _speeds(student: Stage, timings: Timings) -> Speeds:
    untaught, timed = timings["controls.untaught"].computed.rate, timings["student"]
    if not student.teachers:
        return Speeds(untaught)
    # One step is too few to tell a speed by; that is all there is if a view has two.
    computed = timed.computed.rate if timed.computed.counted > 1 else None
    return Speeds(untaught, computed, timed.read.rate if timed.read else None)


def _bank(bench: Bench, student: Stage) -> MeasuredBank | None:
    """What all answers of the student's stage take, under all its views, of all teachers."""
    bank, data = student.ensemble.bank, bench.transfer_set
    if not student.teachers or not isinstance(bank, BankConfig):
        return None
    work = workload(student, data)
    shelves = filter(None, (_answers(bench, student, name).shelf for name in student.teachers))
    of_one_view = (
        bytes_of_one_view(shelf.columns, len(data.targets), work.distinct) for shelf in shelves
    )
    return MeasuredBank(work.views * sum(of_one_view), bank.budget)


def _assumptions(bench: Bench, teachers: Teachers, timings: Timings) -> Iterator[str]:
    """What the estimate rests on, in sentences."""
    if bench.runtime.parallel:
        yield (
            "Each stage was run by itself, for some seconds; stages that run side by side are "
            f"assumed to share {counted(bench.cores, 'core')} without loss, so the run may take "
            "longer."
        )
    else:
        yield "Each stage was run by itself, for some seconds; in one process they take turns."
    if untrained := [name for name, each in teachers.items() if each.training_rate is not None]:
        yield f"Still to be trained, so timed with untrained weights: {', '.join(untrained)}."
    if any(
        each.gain is not None and "compiled" not in each.inference for each in teachers.values()
    ):
        yield "A run may also compile a teacher if that saves time; here it was not tried."
    first = [timed.computed for timed in timings.values()]
    if any(each.epoch_seconds is None and each.total_seconds is None for each in first):
        yield (
            "Where no epoch ended, validation is assumed to take a third of the time that training "
            "takes per sample."
        )
