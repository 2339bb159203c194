import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from students.randomness import hash_ids, seed_of
from students.transfer_sets import augmentation
from students.transfer_sets.augmentation import augmented
from students.transfer_sets.config import CropFlip, NoAugment, Shift

IDS = np.array([3, 50_000, 0, 17, 59_999, 4, 17], np.int64)


def pictures(count, channels=3, height=6, width=5, seed=0):
    # Without zeros, so that a zero in a view is known to have come in from outside.
    noise = np.random.default_rng(seed).integers(1, 256, (count, channels, height, width), np.uint8)
    return torch.from_numpy(noise)


def by_hand(picture, sample_id, augment, seed, view):
    """One sample at a time, pixel by pixel, straight from the definition."""
    margin = augment.padding if augment.kind == "crop_flip" else augment.pixels
    key = seed_of(seed, "view", augment.kind, view)
    draw = int(hash_ids(key, np.array([sample_id]))[0])
    places = 2 * margin + 1
    top, left, mirror = draw % places, draw // places % places, draw // places**2 % 2
    channels, height, width = picture.shape
    out = np.zeros_like(picture)
    for c in range(channels):
        for y in range(height):
            for x in range(width):
                mirrored = mirror and augment.kind == "crop_flip" and augment.flip
                row, column = y + top - margin, (width - 1 - x if mirrored else x) + left - margin
                if 0 <= row < height and 0 <= column < width:
                    out[c, y, x] = picture[c, row, column]
    return out


@pytest.mark.parametrize(
    "augment", [CropFlip(), CropFlip(padding=2, flip=False), CropFlip(padding=0), Shift(pixels=2)]
)
@pytest.mark.parametrize("view", [0, 7])
def test_a_view_is_what_one_gets_sample_by_sample(augment, view):
    inputs = pictures(len(IDS))
    got = augmented(inputs, IDS, augment, seed=5, view=view)
    assert got.dtype == torch.uint8
    for row, sample_id in enumerate(IDS):
        expected = by_hand(inputs[row].numpy(), sample_id, augment, 5, view)
        assert np.array_equal(got[row].numpy(), expected)


@settings(deadline=None, max_examples=40)
@given(
    augment=st.sampled_from([CropFlip(), CropFlip(padding=1, flip=False), Shift(pixels=3)]),
    ids=st.lists(st.integers(0, 2**40), min_size=1, max_size=9),
    seed=st.integers(0, 2**31),
    view=st.integers(0, 1000),
    data=st.data(),
)
def test_a_sample_has_the_same_picture_in_every_batch(augment, ids, seed, view, data):
    ids = np.array(ids, np.int64)
    inputs = pictures(len(ids))
    whole = augmented(inputs, ids, augment, seed=seed, view=view)
    rows = data.draw(st.lists(st.integers(0, len(ids) - 1), min_size=1, max_size=5))
    part = augmented(inputs[rows], ids[rows], augment, seed=seed, view=view)
    assert torch.equal(part, whole[rows])


def test_the_inputs_are_left_as_they_are():
    inputs = pictures(len(IDS))
    before = inputs.clone()
    for augment in (CropFlip(), Shift(pixels=2)):
        augmented(inputs, IDS, augment, seed=0, view=0)
    assert torch.equal(inputs, before)


def test_no_augmentation_is_the_picture_itself_under_every_view():
    inputs = pictures(len(IDS))
    assert torch.equal(augmented(inputs, IDS, NoAugment(), seed=1, view=9), inputs)


@pytest.mark.parametrize("other", [{"seed": 1, "view": 0}, {"seed": 0, "view": 1}])
def test_another_seed_and_another_view_show_other_pictures(other):
    ids = np.arange(200, dtype=np.int64)
    inputs = pictures(200)
    first = augmented(inputs, ids, CropFlip(), seed=0, view=0)
    second = augmented(inputs, ids, CropFlip(), **other)
    differ = (first != second).flatten(1).any(1).float().mean()
    assert differ > 0.9


def test_a_shift_moves_the_whole_picture_and_zeros_come_in():
    inputs = torch.full((400, 1, 9, 9), 0, dtype=torch.uint8)
    inputs[:, 0, 4, 4] = 255
    moved = augmented(inputs, np.arange(400), Shift(pixels=2), seed=0, view=0)
    assert torch.equal(moved.flatten(1).count_nonzero(1), torch.ones(400, dtype=torch.int64))
    places = {tuple(place) for place in moved[:, 0].nonzero()[:, 1:].tolist()}
    assert places == {(row, column) for row in range(2, 7) for column in range(2, 7)}


def test_draws_are_uniform_and_independent():
    ids = np.arange(81 * 2 * 400, dtype=np.int64)
    top, left, mirrored = augmentation._draws(12, ids, 4)
    cells = np.bincount((top * 9 + left) * 2 + mirrored, minlength=162)
    # Chi-square with 161 degrees of freedom: mean 161, deviation 18.
    assert 90 < ((cells - 400) ** 2 / 400).sum() < 250
