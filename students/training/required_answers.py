"""What a student will ask its teachers, before it is taught."""

from __future__ import annotations

from collections.abc import Iterator

from students.knowledge import Tap
from students.objectives.term import learns_from_teachers, taps_of
from students.specs import StudentSpec
from students.transfer_sets.transfer_set import TransferSet


def required_views(spec: StudentSpec, transfer_set: TransferSet) -> set[int]:
    """The views of the epochs in which a term learns from teachers; without augmentation one."""
    return {view for _, view in _asked(spec, transfer_set)}


def required_taps(
    spec: StudentSpec, transfer_set: TransferSet, teacher: str
) -> dict[tuple[Tap, ...], set[int]]:
    """The views under which ``teacher`` is asked for just these taps beside its logits, by them."""
    asked: dict[tuple[Tap, ...], set[int]] = {}
    for epoch, view in _asked(spec, transfer_set):
        taps = taps_of(spec.objective, epoch).get(teacher, ())
        asked.setdefault(taps, set()).add(view)
    return asked


def _asked(spec: StudentSpec, transfer_set: TransferSet) -> Iterator[tuple[int, int]]:
    """Each epoch in which a term learns from teachers, with its view."""
    for epoch in range(spec.train.epochs):
        if learns_from_teachers(spec.objective.values(), epoch):
            yield epoch, transfer_set.view_of(epoch, augment=spec.samples.augment)
