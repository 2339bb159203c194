"""What a student will ask its teachers, before it is taught."""

from __future__ import annotations

from collections.abc import Iterator

from students.knowledge import Tap
from students.objectives.catalog import taps_of
from students.objectives.weight_schedule import asks
from students.specs import Pupil
from students.transfer_sets.transfer_set import TransferSet


def asked_views(pupil: Pupil, transfer_set: TransferSet) -> set[int]:
    """The views of the epochs in which a term learns from teachers; without augmentation one."""
    return {view for _, view in _asked(pupil, transfer_set)}


def asked_taps(
    pupil: Pupil, transfer_set: TransferSet, teacher: str
) -> dict[tuple[Tap, ...], set[int]]:
    """The views under which ``teacher`` is asked for just these taps beside its logits, by them."""
    asked: dict[tuple[Tap, ...], set[int]] = {}
    for epoch, view in _asked(pupil, transfer_set):
        taps = taps_of(pupil.objective, epoch).get(teacher, ())
        asked.setdefault(taps, set()).add(view)
    return asked


def _asked(pupil: Pupil, transfer_set: TransferSet) -> Iterator[tuple[int, int]]:
    """Each epoch in which a term learns from teachers, with its view."""
    for epoch in range(pupil.train.epochs):
        if asks(pupil.objective.values(), epoch):
            yield epoch, transfer_set.view_of(epoch, augment=pupil.samples.augment)
