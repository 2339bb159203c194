"""The ensemble of a stage: its teachers, how they agree, and what that needs to know."""

from __future__ import annotations

from orchestrator.planning.plan import Plan, Stage, class_maps, ensemble_seed
from students.transfer_sets.transfer_set import TransferSet
from teachers.ensemble.ensemble import Ensemble


def ensemble_of(stage: Stage, plan: Plan, transfer_set: TransferSet) -> Ensemble:
    """The ensemble that teaches ``stage``; it is given labels only where its rule looks at them,
    and then those alone that the student is given."""
    weighting = stage.ensemble.weighting
    return Ensemble(
        stage.teachers,
        transfer_set.classes,
        weighting,
        noise=stage.ensemble.heard_noise,
        seed=ensemble_seed(plan.recipe, stage.repeat),
        labels=transfer_set.student_targets if weighting.labelled else None,
        class_maps=class_maps(plan.recipe, stage.teachers),
    )
