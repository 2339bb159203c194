"""Times a teacher by itself, as it answers in a stage."""

from __future__ import annotations

import shutil
import time
from threading import Event

import numpy as np

from cluster.runtime import Handle
from orchestrator.execution.parity_gate import choose_config
from orchestrator.execution.stage_teacher import StageTeacher
from orchestrator.execution.teacher_pool import WantedTeacher
from orchestrator.planning.stage import Stage, TeacherRef
from orchestrator.planning.thread_allocation import resolve, resources_of
from orchestrator.profiling.bench import Bench
from orchestrator.profiling.measured_plan import MeasuredTeacher
from teachers.inference.inference_config import InferenceConfig, plain
from teachers.qualification.autotune import WORTH_MACS
from teachers.qualification.records import Tuning, read_record
from teachers.serving.answer_spec import AnswerSpec
from teachers.serving.host import TeacherHost

FORWARD_BATCHES = 4
"""Asked for at one time, so that the way to the teacher and back counts for little."""


def time_teacher(bench: Bench, stage: Stage, ref: TeacherRef) -> MeasuredTeacher:
    """Times teacher ``ref`` as it answers in ``stage``, and records how it is run where that stage
    looks for it; in the evaluation of a loaded model it is run plainly."""
    bench.say(f"timing teacher '{ref.name}'")
    teacher = StageTeacher(stage, ref, bench.scratch, bench.transfer_set)
    if stage.teachers:
        _copy_records(bench, teacher)
    configs = {ref.name: teacher.config} if stage.teachers and teacher.config else {}
    resolved = resolve(stage, bench.session.cores, configs)
    threads = resolved["teachers"].get(ref.name, resolved["student"])
    demand = resources_of(ref.resources, threads)
    wanted = WantedTeacher(teacher.spec(threads), ref.precision, 0, f"teacher {ref.name}", demand)
    with bench.session.pool.entered(stage.title, (), [wanted], Event()) as (_, [handle]):
        chosen = _choose(teacher, handle, threads) if stage.teachers else plain(threads)
        answers = AnswerSpec(chosen, teacher.taps, None, stage.ensemble.top_k)
        rate = _rate(bench, handle, answers)
    tuning = read_record(teacher.folder, Tuning) if stage.teachers else None
    tuned = tuning if tuning and tuning.chosen == chosen != plain(threads) else None
    return MeasuredTeacher(str(chosen), chosen.threads, rate, tuned.gain if tuned else None)


def _copy_records(bench: Bench, teacher: StageTeacher) -> None:
    """Makes the teacher's folder, with how it is run, where the real home has that."""
    teacher.prepare()
    stored = StageTeacher(teacher.stage, teacher.ref, bench.store, bench.transfer_set)
    if bench.store.outcome(teacher.ref.output) and stored.folder.is_dir():
        for file in filter(lambda path: path.is_file(), stored.folder.iterdir()):
            shutil.copy(file, teacher.folder)


def _choose(teacher: StageTeacher, handle: Handle[TeacherHost], threads: int) -> InferenceConfig:
    """As a run chooses it, except for compiling, which takes longer than all this."""
    # So many are worth a short search, and not worth compiling.
    samples = int(2 * WORTH_MACS / max(1, teacher.outcome.macs))
    return choose_config(teacher, handle, threads, samples)


def _rate(bench: Bench, handle: Handle[TeacherHost], answers: AnswerSpec) -> float:
    """Answers/s, views made and answers sent back; the first pass is not counted."""
    samples = FORWARD_BATCHES * answers.inference.forward_batch
    ids = np.resize(bench.transfer_set.student_ids, samples)
    handle.call(TeacherHost.probe, ids, 0, answers).result()
    passes, began = 0, time.perf_counter()
    while passes == 0 or time.perf_counter() - began < bench.seconds:
        handle.call(TeacherHost.probe, ids, passes, answers).result()
        passes += 1
    return passes * samples / (time.perf_counter() - began)
