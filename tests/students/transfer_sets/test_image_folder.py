import io

import numpy as np
import pytest
import torch
from PIL import Image

from students.errors import TransferSetError
from students.transfer_sets.catalog import load_transfer_set
from students.transfer_sets.config import ImageFolder
from students.transfer_sets.image_files import NOT_DECODED, decode
from students.transfer_sets.image_folder import ENDINGS


@pytest.fixture
def load(tmp_path):
    def of(**options):
        config = ImageFolder(**{"root": "pictures", "size": 8, "validation": "none", **options})
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
    with pytest.raises(TransferSetError, match=r"1 file .*train/red/0\.png' \(image") as caught:
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


def test_every_kind_of_file_that_is_decoded_is_taken():
    Image.init()
    kinds = Image.registered_extensions().items()
    decoded = {ending for ending, kind in kinds if kind in Image.OPEN and kind not in NOT_DECODED}
    assert decoded == ENDINGS


@pytest.mark.parametrize("name", ["saved.jfif", "PHOTO.JPE", "drawn.jp2", "new.avif", "old.tga"])
def test_a_picture_with_a_rarer_ending_is_taken(load, root, name):
    kind = {"jfif": "JPEG", "jpe": "JPEG", "jp2": "JPEG2000", "avif": "AVIF", "tga": "TGA"}
    picture = Image.new("RGB", (9, 9), (250, 0, 0))
    picture.save(root / "train" / "red" / name, kind[name.lower().rpartition(".")[2]])
    assert load().train_count == 10


def test_all_broken_pictures_are_named_at_once_and_said_for_what_they_are(load, root):
    contents = {"empty": b"", "pointer": b"version https://git-lfs.github.com/spec/v1\noid",
                "page": b"\n<!DOCTYPE html><title>404</title>", "text": b"hello"}  # fmt: skip
    for name, content in contents.items():
        (root / "train" / "blue" / f"{name}.jpg").write_bytes(content)
    with pytest.raises(TransferSetError) as caught:
        load()
    for part in ("has 4 files", "/empty.jpg' (it is empty)", "/pointer.jpg' (a pointer of Git LFS",
                 "/page.jpg' (a web page)", "/text.jpg' (of no known format)"):  # fmt: skip
        assert part in str(caught.value)


def test_of_many_broken_pictures_the_first_are_named_and_all_are_counted(load, root):
    for number in range(30):
        (root / "test" / "red" / f"x{number:02d}.png").write_bytes(b"")
    with pytest.raises(TransferSetError, match=r"has 30 files .*/x09\.png.* and 20 more; replace"):
        load()


def test_a_decoder_that_fails_in_its_own_way_is_a_broken_picture_too(load, root):
    whole = io.BytesIO()
    Image.new("RGB", (9, 9)).save(whole, "TIFF")
    damaged = bytearray(whole.getvalue())
    damaged[8:12] = b"\xff" * 4  # how many entries its directory has
    (root / "test" / "red" / "x.tif").write_bytes(damaged)
    with pytest.raises(TransferSetError, match=r"x\.tif"):
        load()


def test_a_large_picture_is_taken_in_silence_and_a_huge_one_is_refused(load, root, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200)
    Image.new("RGB", (15, 15)).save(root / "train" / "red" / "large.png")
    load()  # a warning would be an error
    Image.new("RGB", (30, 30)).save(root / "train" / "red" / "huge.png")
    with pytest.raises(TransferSetError, match=r"huge\.png' \(more than .*: make it smaller"):
        load()


def test_a_folder_val_is_pointed_out_and_taken_as_the_test_part_where_the_recipe_says_so(
    load, root
):
    (root / "test").rename(root / "val")
    (root / "extra").mkdir()
    with pytest.raises(
        TransferSetError, match=r"there is 'extra', 'val'; set .*test_folder` to val"
    ):
        load()
    assert load(test_folder="val").train_count == 9


def test_where_the_test_part_has_no_labels_the_folder_val_is_pointed_out(load, root):
    (root / "test").rename(root / "val")
    (root / "test").mkdir()
    Image.new("RGB", (9, 9)).save(root / "test" / "1.png")
    with pytest.raises(TransferSetError, match=r"1\.png' lies beside .*test_folder` to val if"):
        load()


def test_a_root_that_is_elsewhere_or_not_unpacked_is_pointed_out(load, root, tmp_path):
    with pytest.raises(TransferSetError, match=r"set `transfer_set\.root` to .*/pictures if that"):
        load(root=".")
    (tmp_path / "pictures.zip").write_bytes(b"PK")
    with pytest.raises(TransferSetError, match=r"pictures\.zip' is not a folder; give the folder"):
        load(root="pictures.zip")
    with pytest.raises(TransferSetError, match="nowhere' is not there; give the folder that has"):
        load(root="nowhere")


def test_class_folders_without_a_part_are_not_taken_for_one(load, root):
    (root / "train").rename(root / "red")
    with pytest.raises(TransferSetError, match=r"there is 'red'; put the pictures into train"):
        load()


def test_parts_that_are_exchanged_are_other_data(load, root):
    (root / "train").rename(root / "one")
    (root / "test").rename(root / "two")
    one, two = (load(train_folder=a, test_folder=b) for a, b in (("one", "two"), ("two", "one")))
    assert one.identity != two.identity and (one.train_count, two.train_count) == (9, 3)


def test_the_training_part_is_not_the_test_part():
    with pytest.raises(ValueError, match="must be another folder than train_folder"):
        ImageFolder(root="x", train_folder="all", test_folder="all")


def test_a_name_is_the_same_in_every_unicode_form(load, root):
    composed, decomposed = "gr\u00fcn", "gru\u0308n"
    (root / "train" / "green").rename(root / "train" / composed)
    (root / "test" / "green").rename(root / "test" / decomposed)
    found = load()
    assert found.class_names == ("blue", composed, "red") and found.targets[9:].tolist() == [
        0,
        1,
        2,
    ]
    (root / "train" / decomposed).mkdir()
    with pytest.raises(TransferSetError, match="is there twice, in two Unicode forms"):
        load()


def test_a_root_in_another_unicode_form_is_found(load, root, tmp_path):
    (tmp_path / "u\u0308ber").mkdir()
    root.rename(tmp_path / "u\u0308ber" / "pictures")
    assert load(root="\u00fcber/pictures").train_count == 9


def test_files_that_are_no_pictures_are_named_together(load, root):
    (root / "train" / "red" / "a.heic").write_bytes(b"x")
    (root / "train" / "blue" / "b.heic").write_bytes(b"x")
    (root / "train" / "red" / "gone.png").symlink_to(root / "nowhere.png")
    with pytest.raises(TransferSetError) as caught:
        load()
    for part in ("/b.heic', '", "/a.heic' is not a picture of a known kind ('.heic')",
                 "/gone.png' cannot be found (a link that leads nowhere)"):  # fmt: skip
        assert part in str(caught.value)


def test_what_network_storage_leaves_behind_is_passed_over(load, root):
    (root / "train" / "@eaDir").mkdir()
    (root / "train" / "red" / "@eaDir").mkdir()
    assert load().classes == 3
