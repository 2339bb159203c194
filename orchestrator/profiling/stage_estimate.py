"""Extrapolates from the first steps of each stage to whole stages, and from these to the run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.planning.stage import Stage
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
    """How much there is to do in ``stage``, for the student of its cohort that has most."""
    validation, test = len(transfer_set.validation_ids), len(transfer_set.test_ids)
    works = [Workload(0, 0, validation, test)]
    for spec in stage.cohort:
        train, count = spec.train, len(sample_ids(transfer_set, spec.samples))
        samples = math.ceil(count / train.batch_size) * train.batch_size * train.last_epoch
        views = len(required_views(spec, transfer_set)) if stage.teachers else 0
        works.append(Workload(samples, train.last_epoch, validation, test, count, views))
    return max(works, key=lambda work: work.samples)


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
    teachers = {ref.name for ref in stage.teachers}
    cached = teachers - timed.uncached
    read, new = timed.read or timed.computed, work.samples
    if timed.read is not None:
        new = 0 if cached <= stored else min(work.distinct * work.views, work.samples)
        stored |= cached
    steps = new / timed.computed.rate + (work.samples - new) / read.rate
    first = timed.computed if new else read
    per_image = FORWARD_SHARE * (1.0 - first.wait_share) / first.rate
    seconds = first.start_seconds + steps + _validation(work, first, per_image)
    if not teachers and first.total_seconds is not None:
        seconds = first.total_seconds
    asked = new * len(cached) + work.samples * len(timed.uncached)
    return ExpectedStage(
        stage.title,
        stage.digest,
        seconds,
        work.test * per_image,
        samples_per_second=work.samples / steps,
        asked=asked,
        read=work.samples * len(teachers) - asked,
    )


def _validation(work: Workload, timing: StageTiming, per_image: float) -> float:
    """Seconds of a stage after its epochs (validation, checkpoint) and after its last step
    (validation), where a forward pass takes ``per_image`` seconds."""
    epoch = timing.epoch_seconds
    if epoch is None:
        epoch = work.validation * per_image
    return work.epochs * epoch + work.validation * per_image


def run_seconds(
    stages: Sequence[tuple[Stage, ExpectedStage, int]], cores: int, *, parallel: bool = True
) -> float:
    """The seconds of all ``stages``, each given with what it takes and its roles' threads, and of
    the evaluations on the test part when all are done.

    Stages that need not wait for each other run beside each other: the longest chain is a bound
    from below, what all of them take of the cores another; the larger is the answer.
    """
    if not parallel:
        return sum(each.seconds + each.test_seconds for _, each, _ in stages)
    ends: dict[str, float] = {}
    for stage, each, _ in stages:
        begins = max((ends[need] for need in stage.needs if need in ends), default=0.0)
        ends[stage.digest] = begins + each.seconds
    chain = max(ends.values(), default=0.0)
    tests = max((each.test_seconds for _, each, _ in stages), default=0.0)
    work = sum(
        (each.seconds + each.test_seconds) * min(threads, cores) for _, each, threads in stages
    )
    return max(work / cores, chain + tests)
