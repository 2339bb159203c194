"""Under which views a student will ask its teachers, before it is taught."""

from __future__ import annotations

from students.assignment import Pupil
from students.objectives.weight import asks
from students.transfer_sets.transfer_set import TransferSet


def asked_views(pupil: Pupil, transfer_set: TransferSet) -> set[int]:
    """The views of the epochs in which a term learns from teachers; without augmentation one."""
    terms, augment = pupil.objective.values(), pupil.samples.augment
    return {
        transfer_set.view_of(epoch, augment=augment)
        for epoch in range(pupil.train.epochs)
        if asks(terms, epoch)
    }
