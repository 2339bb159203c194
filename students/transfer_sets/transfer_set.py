"""A transfer set in memory: its pictures, its parts, its batches, and the part of some classes.

N samples, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from students.knowledge import Batch
from students.transfer_sets.augmentation import augmented
from students.transfer_sets.config import Augmentation, TransferSetConfig
from students.transfer_sets.splits import Ids, apportion, class_counts, share_of, take


@dataclass(frozen=True, eq=False)
class TransferSet:
    """The examples on which knowledge passes.

    ``inputs`` uint8 [N, C, H, W] and ``targets`` int64 [N] of the whole data set: first the
    training part (``train_count`` samples), then the test part. A sample's id is its place
    there. ``mean`` and ``std`` [C] are of the training part's pictures scaled to [0, 1].
    ``identity`` is a sha256, in hex, of the data themselves, wherever they lie.
    """

    config: TransferSetConfig
    inputs: Tensor
    targets: Ids
    class_names: tuple[str, ...]
    train_count: int
    identity: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def classes(self) -> int:
        """How many classes there are; targets are 0 to ``classes`` - 1."""
        return len(self.class_names)

    @property
    def shape(self) -> tuple[int, int, int]:
        """A picture's channels, height and width."""
        _, channels, height, width = self.inputs.shape
        return channels, height, width

    @cached_property
    def test_ids(self) -> Ids:
        """The test part; it chooses nothing."""
        return np.arange(self.train_count, len(self.targets), dtype=np.int64)

    @cached_property
    def validation_ids(self) -> Ids:
        """The part on which all choosing is done: a share or a count of the training part."""
        part = self.config.validation
        if part == "none":
            return np.empty(0, np.int64)
        count = part if isinstance(part, int) else round(part * self.train_count)
        train = np.arange(self.train_count, dtype=np.int64)
        targets = self.targets[: self.train_count]
        quotas = apportion(count, class_counts(targets, self.classes))
        return take(train, targets, quotas, seed=self.config.seed, part="validation")

    @cached_property
    def student_ids(self) -> Ids:
        """The student's samples: ``fraction`` of each class that is not omitted."""
        given = self.teacher_ids(self.config.fraction)
        shown: Ids = given[~np.isin(self.targets[given], self.config.omit)]
        return shown

    @cached_property
    def labelled(self) -> Ids:
        """The student's samples that have labels."""
        if self.config.labelled == 0:
            return np.empty(0, np.int64)
        return self._per_class(self.student_ids, self.config.labelled, "labelled")

    @cached_property
    def student_targets(self) -> Ids:
        """Targets [N] of the whole data set, -1 where the student has no label for its sample."""
        targets = self.targets.copy()
        targets[np.setdiff1d(self.student_ids, self.labelled, assume_unique=True)] = -1
        return targets

    def teacher_ids(self, fraction: float = 1.0) -> Ids:
        """The samples that a teacher is trained on: ``fraction`` of each class; none is omitted."""
        train = np.arange(self.train_count, dtype=np.int64)
        remaining = np.setdiff1d(train, self.validation_ids, assume_unique=True)
        return self._per_class(remaining, fraction, "fraction")

    def view_of(self, epoch: int, *, augment: Augmentation | None = None) -> int:
        """Which view the samples have in ``epoch``, counted from zero.

        Where nothing is augmented (by ``augment``, or the set itself) there is one.
        """
        if not (self.config.augment if augment is None else augment).changes:
            return 0
        views = self.config.views
        return epoch if views == "all" else epoch % views

    def batch(
        self,
        sample_ids: Ids,
        view: int,
        *,
        augment: Augmentation | None = None,
        student_labels: bool = True,
    ) -> Batch:
        """The samples [B] under ``view``, augmented by ``augment``, or as the set is.

        With ``student_labels`` the targets of samples that the student has without a label
        are -1.
        """
        ids = np.asarray(sample_ids, np.int64)
        # Whole rows at a time; an index in brackets would move byte by byte.
        pictures = self.inputs.index_select(0, torch.from_numpy(ids))
        how = self.config.augment if augment is None else augment
        targets = self.student_targets if student_labels else self.targets
        return Batch(
            inputs=augmented(pictures, ids, how, seed=self.config.seed, view=view),
            targets=torch.from_numpy(targets[ids]),
            sample_ids=ids,
            view=view,
        )

    def _per_class(self, ids: Ids, share: float, part: str) -> Ids:
        targets = self.targets[ids]
        quotas = share_of(share, class_counts(targets, self.classes))
        return take(ids, targets, quotas, seed=self.config.seed, part=part)


def some_classes(whole: TransferSet, classes: Sequence[int] | None) -> TransferSet:
    """The part of ``whole`` for a network whose outputs are ``classes``, in their order.

    Samples keep their ids, and so their pictures and views; ``targets`` [N] are the indices of
    their classes among the outputs, -1 for samples of other classes, which are in no part. The
    set itself where these are all of its classes in order, or none are given.
    """
    if classes is None or tuple(classes) == tuple(range(whole.classes)):
        return whole
    places = np.full(whole.classes, -1, np.int64)
    places[list(classes)] = np.arange(len(classes))
    given = {each.name: getattr(whole, each.name) for each in fields(TransferSet)}
    names = tuple(whole.class_names[name] for name in classes)
    return _SomeClasses(
        **{**given, "targets": places[whole.targets], "class_names": names}, whole=whole
    )


@dataclass(frozen=True, eq=False)
class _SomeClasses(TransferSet):
    """The samples of some classes; a teacher of these has the same ones of each as a teacher of
    all classes."""

    whole: TransferSet

    @cached_property
    def test_ids(self) -> Ids:
        return self._own(self.whole.test_ids)

    @cached_property
    def validation_ids(self) -> Ids:
        return self._own(self.whole.validation_ids)

    @cached_property
    def student_ids(self) -> Ids:
        return self._own(self.whole.student_ids)

    @cached_property
    def labelled(self) -> Ids:
        return self._own(self.whole.labelled)

    def teacher_ids(self, fraction: float = 1.0) -> Ids:
        return self._own(self.whole.teacher_ids(fraction))

    def _own(self, ids: Ids) -> Ids:
        own: Ids = ids[self.targets[ids] >= 0]
        return own
