"""Times the stages and teachers of a graph, one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from orchestrator.planning.controls import untaught_stage
from orchestrator.planning.stage import Stage
from orchestrator.profiling.bench import Bench
from orchestrator.profiling.initial_outcome import provide_outcome
from orchestrator.profiling.measured_plan import MeasuredTeacher
from orchestrator.profiling.short_run import time_stage
from orchestrator.profiling.stage_estimate import TimedStage, workload
from orchestrator.profiling.teacher_timing import time_teacher
from teachers.config import BankConfig


@dataclass
class Timings:
    """What was timed: stages by name, and the teachers that are asked or evaluated."""

    stages: dict[str, TimedStage] = field(default_factory=dict)
    teachers: dict[str, MeasuredTeacher] = field(default_factory=dict)

    def time(self, bench: Bench, stage: Stage) -> None:
        """Times the stage's teachers, then the stage itself, unless that was done."""
        for ref in stage.teachers or filter(None, [stage.evaluates]):
            if ref.name not in self.teachers:
                timed, training = time_teacher(bench, stage, ref), self.stages.get(ref.path)
                rate = training.computed.rate if training else None
                self.teachers[ref.name] = replace(timed, training_rate=rate)
        if stage.cohort and stage.name not in self.stages:
            self.stages[stage.name] = _time(bench, stage)


def time_graph(bench: Bench, left: Sequence[Stage]) -> Timings:
    """Times the student, taught and untaught, and all stages that are ``left`` to be run."""
    timings, graph = Timings(), bench.graph
    needed = {need for stage in graph.stages for need in stage.needs}
    for stage in graph.stages:
        if stage.digest in needed:
            if stage in left and stage.cohort:
                timings.time(bench, stage)
            provide_outcome(bench, stage)
    for stage in (graph.stage("student"), untaught_stage(graph.stages), *left):
        timings.time(bench, stage)
    return timings


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
    asked = bench.answers(stage).items()
    return TimedStage(
        computed, read, frozenset(name for name, each in asked if not each.complete_shelf)
    )
