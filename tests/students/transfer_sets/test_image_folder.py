import numpy as np
import pytest
import torch
from PIL import Image

from students.errors import TransferSetError
from students.transfer_sets.catalog import load_transfer_set
from students.transfer_sets.config import ImageFolder
from students.transfer_sets.image_files import decode


@pytest.fixture
def load(tmp_path):
    def of(**options):
        config = ImageFolder(root="pictures", **{"size": 8, "validation": "none", **options})
        return load_transfer_set(config, folder=tmp_path, cache=tmp_path / "cache")

    return of


@pytest.fixture
def root(tmp_path):
    """Classes of one colour each, in sizes and files of every kind."""
    root = tmp_path / "pictures"
    colours = {"blue": (0, 0, 250), "green": (0, 250, 0), "red": (250, 0, 0)}
    for part, count in (("train", 3), ("test", 1)):
        for name, colour in colours.items():
            (root / part / name).mkdir(parents=True)
            for number in range(count):
                file = root / part / name / f"{number}{('.png', '.JPG', '.bmp')[number]}"
                Image.new("RGB", (9 + number, 20 - number), colour).save(file)
    return root


def test_pictures_are_brought_to_one_size_and_classes_are_numbered_by_name(load, root):
    found = load()
    assert found.class_names == ("blue", "green", "red")
    assert found.inputs.shape == (12, 3, 8, 8) and found.train_count == 9
    brightest = found.inputs.float().mean((2, 3)).argmax(1)
    assert torch.equal(2 - brightest, torch.from_numpy(found.targets))
    assert found.targets[:9].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_another_process_maps_what_the_first_decoded(load, root, monkeypatch):
    first = load()
    monkeypatch.setattr("students.transfer_sets.catalog.decode_into", None)
    assert torch.equal(load(seed=3).inputs, first.inputs)


def test_another_size_or_colour_is_decoded_again(load, root):
    assert load().inputs.shape[1:] == (3, 8, 8)
    assert load(size=5).inputs.shape[1:] == (3, 5, 5)
    assert load(channels=1).inputs.shape[1:] == (1, 8, 8)


def test_a_broken_picture_is_named_and_nothing_is_kept(load, root, tmp_path):
    broken = root / "train" / "red" / "0.png"
    noise = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    Image.fromarray(noise).save(broken)
    broken.write_bytes(broken.read_bytes()[:600])
    with pytest.raises(TransferSetError, match=r"train/red/0\.png' cannot be read") as caught:
        load()
    assert caught.value.path == "root"
    kept = tmp_path / "cache" / "transfer_sets"
    assert [entry for entry in kept.iterdir() if entry.is_dir()] == []


def test_a_text_with_a_pictures_name_is_named(load, root):
    (root / "test" / "blue" / "1.png").write_text("hello")
    with pytest.raises(TransferSetError, match=r"test/blue/1\.png"):
        load()


def test_a_deep_picture_is_refused_rather_than_clipped(load, root):
    Image.fromarray(np.full((9, 9), 40_000, np.uint16)).save(root / "test" / "blue" / "1.png")
    with pytest.raises(TransferSetError, match="more than 8 bits"):
        load()


def test_a_picture_of_the_size_asked_for_is_taken_as_it_is(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (6, 6, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    assert np.array_equal(decode(tmp_path / "a.png", channels=3, size=6), noise.transpose(2, 0, 1))


def test_the_centre_is_kept_and_the_sides_are_cut(tmp_path):
    wide = np.zeros((4, 12), np.uint8)
    wide[:, 4:8] = 200
    Image.fromarray(wide).save(tmp_path / "a.png")
    assert (decode(tmp_path / "a.png", channels=1, size=4) == 200).all()


def test_the_picture_is_resized_as_a_whole_and_then_cut(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (12, 36), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    whole = Image.fromarray(noise).resize((24, 8), Image.Resampling.BILINEAR)
    expected = np.asarray(whole)[:, 8:16]
    assert np.array_equal(decode(tmp_path / "a.png", channels=1, size=8)[0], expected)


def test_a_photograph_is_turned_upright(tmp_path):
    picture = Image.fromarray(np.array([[255, 255], [0, 0]], np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    picture.save(tmp_path / "a.png", exif=exif)
    assert decode(tmp_path / "a.png", channels=1, size=2)[0].tolist() == [[0, 0], [255, 255]]


def test_transparency_is_dropped(tmp_path):
    Image.new("RGBA", (3, 3), (10, 20, 30, 0)).save(tmp_path / "a.png")
    assert decode(tmp_path / "a.png", channels=3, size=3)[:, 0, 0].tolist() == [10, 20, 30]
