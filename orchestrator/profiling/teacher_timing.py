"""Times a teacher by itself, as it answers in a stage, and prepares what that stage needs of it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np

from cluster.runtime import Handle
from orchestrator.execution.finished_network import finished_network
from orchestrator.planning.plan import Stage
from orchestrator.planning.thread_allocation import Resolved, resources_of
from orchestrator.profiling.bench import Bench
from orchestrator.profiling.measured_plan import MeasuredTeacher
from students.knowledge import Tap
from students.models.network import weights_sha256
from students.models.profile import costs
from students.objectives.term import taps_of
from students.storage.attempts import begin_attempt
from students.storage.outcome import Outcome, read_outcome, write_outcome
from students.training.build import student_network
from teachers.inference.inference_config import InferenceConfig, plain
from teachers.qualification.autotune import WORTH_MACS
from teachers.qualification.records import Tuning, read_record
from teachers.serving.answer_spec import AnswerSpec
from teachers.serving.host import TeacherHost

FORWARD_BATCHES = 4
"""Asked for at one time, so that the way to the teacher and back counts for little."""


def prepare_teacher(bench: Bench, name: str) -> None:
    """Gives the scratch home the outcome of the teacher's stage, and how the teacher is run, where
    the real home has them; else, if no short training has ended, an outcome of initial weights."""
    stage = bench.plan.stage(f"teachers.{name}")
    folder = bench.scratch.folder(stage.digest)
    if bench.is_stored(stage):
        folder.symlink_to(bench.store.folder(stage.digest))
        records = bench.real_runner.teachers.bank_shelves.folder(name)
        for file in filter(lambda path: path.is_file(), records.iterdir()):
            shutil.copy(file, bench.runner.teachers.bank_shelves.folder(name))
    elif read_outcome(folder) is None:
        _write_initial_outcome(bench, name, stage)


def _write_initial_outcome(bench: Bench, name: str, stage: Stage) -> None:
    weights = {}
    if stage.kind == "teach":
        resolved = Resolved(student=1, teachers={})
        task = bench.runner.role_specs.assignments(stage, 1, resolved)[0]
        network = student_network(task, bench.transfer_set)
        weights = network.model.state_dict()
    else:
        network = finished_network(bench.plan, bench.scratch, stage, bench.transfer_set)
    cost = costs(network, bench.transfer_set.shape)
    outcome = Outcome(weights_sha256(network.model), cost.parameters, cost.macs, cost.bytes)
    folder = bench.scratch.folder(stage.digest)
    folder.mkdir(parents=True, exist_ok=True)
    write_outcome(folder, begin_attempt(folder), outcome, weights=weights, answers={})


def time_teacher(bench: Bench, name: str, stage: Stage, threads: int) -> MeasuredTeacher:
    """Times the teacher as it answers in ``stage``, and records how it is run where that stage
    looks for it; in its own stage, the evaluation of a loaded model, it is run plainly."""
    config, teaches = bench.plan.recipe.teachers[name], name in stage.teachers
    taps = taps_of(stage.cohort[0].objective).get(name, ()) if teaches else ()
    spec = bench.runner.role_specs.teacher_spec(name, threads)
    with ExitStack() as roles:
        place = resources_of(config.resources, threads)
        handle = bench.runtime.start(place, f"teacher {name}", TeacherHost, spec)
        roles.callback(bench.runtime.retire, handle)
        chosen = _choose(bench, name, stage, handle, threads, taps) if teaches else plain(threads)
        rate = _rate(bench, handle, AnswerSpec(chosen, taps, None, stage.ensemble.top_k))
    tuning = (
        read_record(bench.runner.teachers.bank_shelves.folder(name), Tuning) if teaches else None
    )
    tuned = tuning if tuning and tuning.chosen == chosen != plain(threads) else None
    return MeasuredTeacher(str(chosen), chosen.threads, rate, tuned.gain if tuned else None)


def _choose(
    bench: Bench,
    name: str,
    stage: Stage,
    handle: Handle[TeacherHost],
    threads: int,
    taps: Sequence[Tap],
) -> InferenceConfig:
    """As a run chooses it, except for compiling, which takes longer than all this."""
    gate, shelves = bench.runner.teachers.parity_gate, bench.runner.teachers.bank_shelves
    outcome = read_outcome(bench.scratch.folder(bench.plan.stage(f"teachers.{name}").digest))
    macs = outcome.macs if outcome else 1
    # So many are worth a short search, and not worth compiling.
    samples = min(shelves.samples_to_answer(stage), int(2 * WORTH_MACS / max(1, macs)))
    return gate.choose_config(name, handle, shelves.folder(name), threads, taps, samples)


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
