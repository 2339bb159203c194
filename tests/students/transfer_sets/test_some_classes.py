"""A specialist's samples are those of its classes, numbered by its outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from students.transfer_sets.catalog import load_transfer_set
from students.transfer_sets.config import Digits, NoAugment, Shift
from students.transfer_sets.transfer_set import TransferSet, some_classes

CLASSES = (9, 3, 5)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> TransferSet:
    cache: Path = tmp_path_factory.mktemp("cache")
    config = Digits(validation=200, augment=Shift(pixels=1), fraction=0.5, labelled=0.5)
    return load_transfer_set(config, folder=cache, cache=cache)


def test_every_part_is_the_whole_sets_part_of_these_classes(whole: TransferSet) -> None:
    mine = some_classes(whole, CLASSES)
    for own, all_of_it in (
        (mine.teacher_ids(0.3), whole.teacher_ids(0.3)),
        (mine.teacher_ids(), whole.teacher_ids()),
        (mine.validation_ids, whole.validation_ids),
        (mine.test_ids, whole.test_ids),
        (mine.student_ids, whole.student_ids),
        (mine.labelled, whole.labelled),
    ):
        assert own.tolist() == all_of_it[np.isin(whole.targets[all_of_it], CLASSES)].tolist()
        assert len(own)


def test_targets_are_places_among_the_outputs(whole: TransferSet) -> None:
    mine = some_classes(whole, CLASSES)
    batch = mine.batch(mine.teacher_ids()[:50], 0, student_labels=False)
    named = [CLASSES[place] for place in batch.targets.tolist()]
    assert named == whole.targets[batch.sample_ids].tolist()
    assert mine.classes == 3
    assert mine.class_names == ("9", "3", "5")


def test_pictures_and_views_are_those_of_the_whole_set(whole: TransferSet) -> None:
    mine = some_classes(whole, CLASSES)
    ids = mine.teacher_ids()[:20]
    assert torch.equal(mine.batch(ids, 3).inputs, whole.batch(ids, 3).inputs)
    assert mine.view_of(5) == whole.view_of(5)
    assert mine.view_of(5, augment=NoAugment()) == 0
    assert (mine.mean, mine.std, mine.identity) == (whole.mean, whole.std, whole.identity)


def test_all_classes_in_order_are_the_set_itself(whole: TransferSet) -> None:
    assert some_classes(whole, None) is whole
    assert some_classes(whole, tuple(range(10))) is whole
    turned = some_classes(whole, tuple(reversed(range(10))))
    assert turned.targets.tolist() == (9 - whole.targets).tolist()
    assert turned.teacher_ids().tolist() == whole.teacher_ids().tolist()
