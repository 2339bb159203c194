"""The samples of some classes of a transfer set, numbered by a specialist's outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from students.transfer_sets.splits import Ids
from students.transfer_sets.transfer_set import TransferSet


@dataclass(frozen=True, eq=False)
class SomeClasses(TransferSet):
    """The part of ``whole`` of the classes of a network's outputs.

    Samples keep their ids, and so their pictures and views; ``targets`` [N] are the indices of
    their classes among the outputs, -1 for samples of other classes, which are in no part.
    """

    whole: TransferSet

    @cached_property
    def test_ids(self) -> Ids:
        """The test part's samples of these classes."""
        return self._own(self.whole.test_ids)

    @cached_property
    def validation_ids(self) -> Ids:
        """The validation part's samples of these classes."""
        return self._own(self.whole.validation_ids)

    @cached_property
    def student_ids(self) -> Ids:
        """The student's samples of these classes."""
        return self._own(self.whole.student_ids)

    @cached_property
    def labelled(self) -> Ids:
        """Those of them that come with labels."""
        return self._own(self.whole.labelled)

    def teacher_ids(self, fraction: float = 1.0) -> Ids:
        """What a teacher is trained on: ``fraction`` of each of these classes, the same samples
        as a teacher of all classes has of them."""
        return self._own(self.whole.teacher_ids(fraction))

    def _own(self, ids: Ids) -> Ids:
        own: Ids = ids[self.targets[ids] >= 0]
        return own


def some_classes(whole: TransferSet, classes: Sequence[int] | None) -> TransferSet:
    """The part of ``whole`` for a network whose outputs are ``classes``, in their order.

    The set itself where these are all of its classes in order, or none are given.
    """
    if classes is None or tuple(classes) == tuple(range(whole.classes)):
        return whole
    places = np.full(whole.classes, -1, np.int64)
    places[list(classes)] = np.arange(len(classes))
    given = {each.name: getattr(whole, each.name) for each in fields(TransferSet)}
    names = tuple(whole.class_names[name] for name in classes)
    return SomeClasses(
        **{**given, "targets": places[whole.targets], "class_names": names}, whole=whole
    )
