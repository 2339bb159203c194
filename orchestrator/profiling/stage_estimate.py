"""Extrapolates from the first steps of each stage to whole stages, and from these to the run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.planning.plan import Stage
from orchestrator.profiling.measured_plan import ExpectedStage
from orchestrator.profiling.short_run import StageTiming
from students.training.build import sample_ids
from students.training.questions import required_views
from students.transfer_sets.transfer_set import TransferSet

FORWARD_SHARE = 1 / 3
"""What a forward pass takes of a training step's time: backward takes twice as much."""


@dataclass(frozen=True)
class Workload:
    """How much there is to do in a stage: ``samples`` in all its steps, of ``epochs`` epochs; each
    teacher is asked about ``distinct`` samples under so many ``views``, each once if it is kept."""

    samples: int
    epochs: int
    validation: int
    test: int
    distinct: int = 0
    views: int = 0


def workload(stage: Stage, transfer_set: TransferSet) -> Workload:
    """How much there is to do in ``stage``."""
    validation, test = len(transfer_set.validation_ids), len(transfer_set.test_ids)
    if not stage.cohort:
        return Workload(0, 0, validation, test)
    spec = stage.cohort[0]
    train, count = spec.train, len(sample_ids(transfer_set, spec.samples))
    samples = math.ceil(count / train.batch_size) * train.batch_size * train.epochs
    views = len(required_views(spec, transfer_set)) if stage.teachers else 0
    return Workload(samples, train.epochs, validation, test, count, views)


@dataclass(frozen=True)
class TimedStage:
    """A stage's first steps: with answers that teachers compute, if it has any, and the same steps
    with answers read from the bank (none without one). Answers of the teachers ``uncached`` are not
    kept whole, so they are computed each time."""

    computed: StageTiming
    read: StageTiming | None = None
    uncached: frozenset[str] = frozenset()


def expected_stage(
    stage: Stage, work: Workload, timed: TimedStage, stored: set[str]
) -> ExpectedStage:
    """What a stage takes: answers that are new are computed, the others read.

    ``stored`` are the teachers whose answers the bank has already; the stage adds its own.
    """
    cached = set(stage.teachers) - timed.uncached
    read, new = timed.read or timed.computed, work.samples
    if timed.read is not None:
        new = 0 if cached <= stored else min(work.distinct * work.views, work.samples)
        stored |= cached
    steps = new / timed.computed.rate + (work.samples - new) / read.rate
    first = timed.computed if new else read
    seconds = first.start_seconds + steps + _beside_steps(work, first)
    if not stage.teachers and first.total_seconds is not None:
        seconds = first.total_seconds
    asked = new * len(cached) + work.samples * len(timed.uncached)
    return ExpectedStage(
        stage.title,
        stage.digest,
        seconds,
        work.samples / steps,
        asked=asked,
        read=work.samples * len(stage.teachers) - asked,
    )


def _beside_steps(work: Workload, timing: StageTiming) -> float:
    """Seconds of a stage after its epochs (validation, checkpoint) and after its last step
    (evaluation of both parts)."""
    per_image = FORWARD_SHARE * (1.0 - timing.wait_share) / timing.rate
    epoch = timing.epoch_seconds
    if epoch is None:
        epoch = work.validation * per_image
    return work.epochs * epoch + (work.validation + work.test) * per_image


def run_seconds(
    stages: Sequence[tuple[Stage, float, int]], cores: int, *, parallel: bool = True
) -> float:
    """The seconds of all ``stages``, each given with its own seconds and its roles' threads.

    Stages that need not wait for each other run beside each other: the longest chain is a bound
    from below, what all of them take of the cores another; the larger is the answer.
    """
    if not parallel:
        return sum(seconds for _, seconds, _ in stages)
    ends: dict[str, float] = {}
    for stage, seconds, _ in stages:
        begins = max((ends[need] for need in stage.needs if need in ends), default=0.0)
        ends[stage.digest] = begins + seconds
    work = sum(seconds * min(threads, cores) for _, seconds, threads in stages)
    return max(work / cores, max(ends.values(), default=0.0))
