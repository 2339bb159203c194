"""How much there is to do in each stage of a plan: samples, epochs, views, held-out parts."""

from __future__ import annotations

import math

from orchestrator.planning.plan import Plan, Stage
from orchestrator.profiling.stage_estimate import Extent
from students.training.build import sample_ids
from students.training.questions import required_views
from students.transfer_sets.transfer_set import TransferSet


def extents(plan: Plan, transfer_set: TransferSet) -> dict[str, Extent]:
    """The extent of each stage, by name; repeats of a stage are alike."""
    return {stage.name: extent(stage, transfer_set) for stage in plan.stages}


def extent(stage: Stage, transfer_set: TransferSet) -> Extent:
    """How much there is to do in ``stage``."""
    validation, test = len(transfer_set.validation_ids()), len(transfer_set.test_ids())
    if not stage.cohort:
        return Extent(0, 0, 0, validation, test)
    spec = stage.cohort[0]
    train, count = spec.train, len(sample_ids(transfer_set, spec.samples))
    per_epoch = math.ceil(count / train.batch_size)
    steps, every = per_epoch * train.epochs, train.checkpoint.every
    return Extent(
        samples=steps * train.batch_size,
        epochs=train.epochs,
        commits=train.epochs if every == "epoch" else math.ceil(steps / every),
        validation=validation,
        test=test,
        answers=dict.fromkeys(required_views(spec, transfer_set), count) if stage.teachers else {},
    )
