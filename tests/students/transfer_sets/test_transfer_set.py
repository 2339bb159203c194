import dataclasses

import numpy as np
import pytest
import torch

from students.transfer_sets.augmentation import augmented
from students.transfer_sets.catalog import load_transfer_set
from students.transfer_sets.config import Digits, NoAugment, Shift


@pytest.fixture
def digits(tmp_path):
    def load(**options):
        options = {"validation": 270, **options}
        return load_transfer_set(Digits(**options), folder=tmp_path, cache=tmp_path)

    return load


def per_class(transfer_set, ids):
    return np.bincount(transfer_set.targets[ids], minlength=transfer_set.classes)


def test_the_digits_have_1347_training_and_450_test_samples(digits):
    found = digits()
    assert (found.train_count, len(found.test_ids), found.classes) == (1347, 450, 10)
    assert found.shape == (1, 8, 8)
    assert found.inputs.dtype == torch.uint8 and int(found.inputs.max()) == 255


def test_the_demo_keeps_270_for_validation_and_gives_the_student_109_of_1077(digits):
    found = digits(fraction=0.1)
    assert len(found.validation_ids) == 270
    assert len(found.teacher_ids()) == 1077
    assert len(found.student_ids) == 109
    assert len(digits(fraction=0.1, seed=8).student_ids) == 109


@pytest.mark.parametrize(("asked", "count"), [(0.1, 135), (0.5, 674), (1, 1), ("none", 0)])
def test_validation_is_a_share_or_a_count_or_none(digits, asked, count):
    assert len(digits(validation=asked).validation_ids) == count


def test_the_parts_are_disjoint_and_together_everything(digits):
    found = digits()
    parts = (found.student_ids, found.validation_ids, found.test_ids)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(1797))


def test_each_part_has_the_classes_in_the_proportion_of_the_whole(digits):
    found = digits(fraction=0.1)
    whole = np.bincount(found.targets) / 1797
    for ids in (found.test_ids, found.validation_ids, found.student_ids):
        assert np.abs(per_class(found, ids) - whole * len(ids)).max() <= 1


def test_the_test_part_is_the_same_under_every_seed_and_the_others_are_not(digits):
    first, second = digits(seed=0), digits(seed=1)
    assert torch.equal(first.inputs, second.inputs)
    assert np.array_equal(first.test_ids, second.test_ids)
    shared = np.intersect1d(first.validation_ids, second.validation_ids)
    assert len(shared) < 100


def test_the_same_seed_gives_the_same_parts(digits):
    first, second = digits(seed=4, fraction=0.3), digits(seed=4, fraction=0.3)
    assert np.array_equal(first.student_ids, second.student_ids)
    assert np.array_equal(first.validation_ids, second.validation_ids)


def test_a_teacher_has_its_own_fraction_and_sees_omitted_classes(digits):
    found = digits(fraction=0.1, omit=(3,))
    assert 3 not in found.targets[found.student_ids]
    assert 3 in found.targets[found.validation_ids]
    assert len(found.teacher_ids()) == 1077
    assert (per_class(found, found.teacher_ids(0.1)) > 0).all()
    assert set(found.student_ids) < set(found.teacher_ids(0.1))


def test_a_small_fraction_leaves_one_sample_of_each_class(digits):
    found = digits(fraction=1e-6)
    assert per_class(found, found.student_ids).tolist() == [1] * 10


def test_labelled_is_a_share_of_each_class_of_the_students_samples(digits):
    found = digits(labelled=0.2)
    assert set(found.labelled) < set(found.student_ids)
    share = per_class(found, found.labelled) / per_class(found, found.student_ids)
    assert np.abs(share - 0.2).max() < 0.01
    assert len(digits(labelled=0.0).labelled) == 0
    everything = digits()
    assert np.array_equal(everything.labelled, everything.student_ids)


def test_labels_are_not_chosen_as_the_fraction_is(digits):
    found = digits(labelled=0.5)
    overlap = np.intersect1d(found.labelled, found.teacher_ids(0.5))
    assert 0.4 < len(overlap) / len(found.labelled) < 0.6


def test_the_student_gets_minus_one_where_it_has_no_label_and_others_get_all(digits):
    found = digits(labelled=0.3)
    ids = found.student_ids
    seen = found.batch(ids, 0).targets.numpy()
    labelled = np.isin(ids, found.labelled)
    assert np.array_equal(seen[labelled], found.targets[ids][labelled])
    assert (seen[~labelled] == -1).all()
    for part in (found.validation_ids, found.test_ids):
        assert np.array_equal(found.batch(part, 0).targets.numpy(), found.targets[part])
    targets = found.batch(ids, 0, student_labels=False).targets.numpy()
    assert np.array_equal(targets, found.targets[ids])


def test_a_batch_holds_the_views_of_its_samples(digits):
    found = digits(augment=Shift(pixels=1), seed=6)
    ids = found.student_ids[[5, 2, 9]]
    batch = found.batch(ids, 3)
    expected = augmented(found.inputs[ids], ids, Shift(pixels=1), seed=6, view=3)
    assert torch.equal(batch.inputs, expected)
    assert np.array_equal(batch.sample_ids, ids) and batch.view == 3
    assert torch.equal(found.batch(ids, 3, augment=NoAugment()).inputs, found.inputs[ids])


def test_changing_a_batch_does_not_change_the_set(digits):
    found = digits()
    before = found.inputs.clone()
    found.batch(np.arange(9), 0).inputs.zero_()
    assert torch.equal(found.inputs, before)


def test_views_come_in_turn_or_are_new_in_each_epoch(digits):
    shifted = digits(augment="shift")
    assert [shifted.view_of(epoch) for epoch in (0, 5, 100)] == [0, 5, 100]
    three = digits(augment="shift", views=3)
    assert [three.view_of(epoch) for epoch in range(7)] == [0, 1, 2, 0, 1, 2, 0]


def test_without_augmentation_there_is_one_view(digits):
    assert [digits().view_of(epoch) for epoch in (0, 5, 100)] == [0, 0, 0]
    assert digits().view_of(5, augment=Shift()) == 5
    assert digits(augment="shift").view_of(5, augment=NoAugment()) == 0


def test_a_transfer_set_cannot_be_changed(digits):
    with pytest.raises(dataclasses.FrozenInstanceError):
        digits().train_count = 1
