import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from students.durable_files import file_sha256
from students.errors import TransferSetError, UserError
from students.transfer_sets.config import CustomTransferSet, Digits, ImageFolder, Mnist
from students.transfer_sets.digits import content_of, load_digits
from students.transfer_sets.identity import DIGITS_IDENTITY, identify


@pytest.fixture
def identity(tmp_path):
    def of(config, cache="cache"):
        return identify(config, folder=tmp_path, cache=tmp_path / cache)

    return of


@pytest.fixture
def folder(tmp_path):
    """A folder of pictures whose times lie well in the past."""
    root = tmp_path / "pictures"
    for part in ("train", "test"):
        for name in ("ape", "bee"):
            (root / part / name).mkdir(parents=True)
            for number in range(2):
                file = root / part / name / f"{number}.png"
                Image.new("L", (4, 4), color=10 * number).save(file)
                os.utime(file, ns=(10**18, 10**18))
    return root


@pytest.fixture
def settled(monkeypatch):
    """Takes every file for one that was last changed long ago."""
    monkeypatch.setattr("students.transfer_sets.identity._SETTLED_NS", -(10**12))


@pytest.fixture
def reads(monkeypatch):
    """The names of the files whose content is read."""
    names = []
    monkeypatch.setattr(
        "students.transfer_sets.identity.file_sha256",
        lambda path: names.append(path) or file_sha256(path),
    )
    return names


def test_the_digits_are_known_by_their_content():
    assert content_of(load_digits()) == DIGITS_IDENTITY


def test_identity_needs_no_torch_and_no_sklearn(tmp_path):
    program = (
        "import sys; from pathlib import Path\n"
        "from students.transfer_sets.config import Digits\n"
        "from students.transfer_sets.identity import identify\n"
        "print(identify(Digits(), folder=Path('.'), cache=Path('.')))\n"
        "assert not {'torch', 'sklearn', 'torchvision', 'PIL'} & set(sys.modules)"
    )
    child = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert child.stdout.strip() == DIGITS_IDENTITY


def test_moving_the_folder_keeps_its_identity(identity, folder, tmp_path):
    before = identity(ImageFolder(root="pictures"))
    folder.rename(tmp_path / "elsewhere")
    assert identity(ImageFolder(root="elsewhere")) == before
    assert identity(ImageFolder(root=str(tmp_path / "elsewhere"))) == before


def test_a_changed_byte_a_renamed_picture_and_a_new_one_change_the_identity(identity, folder):
    config = ImageFolder(root="pictures")
    seen = [identity(config)]
    changed = folder / "train" / "ape" / "1.png"
    content = bytearray(changed.read_bytes())
    content[-1] ^= 1
    changed.write_bytes(content)
    seen.append(identity(config))
    changed.rename(changed.with_name("2.png"))
    seen.append(identity(config))
    shutil.copy(folder / "test" / "bee" / "0.png", folder / "test" / "bee" / "9.png")
    seen.append(identity(config))
    shutil.move(folder / "test" / "bee" / "9.png", folder / "train" / "bee" / "9.png")
    seen.append(identity(config))
    assert len(set(seen)) == 5


def test_a_byte_changed_behind_the_clocks_back_changes_the_identity(identity, folder, settled):
    config = ImageFolder(root="pictures")
    before = identity(config)
    changed = folder / "train" / "ape" / "1.png"
    times = changed.stat()
    content = bytearray(changed.read_bytes())
    content[-1] ^= 1
    changed.write_bytes(content)
    os.utime(changed, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert identity(config) != before


def test_a_second_run_reads_no_file_and_a_changed_file_alone(identity, folder, settled, reads):
    config = ImageFolder(root="pictures")
    first = identity(config)
    assert len(reads) == 8
    reads.clear()
    assert identity(config) == first
    assert reads == []
    changed = folder / "test" / "ape" / "0.png"
    Image.new("L", (4, 4), color=99).save(changed)
    assert identity(config) != first
    assert reads == [changed]


def test_a_file_that_has_just_been_written_is_not_remembered(identity, folder, reads):
    config = ImageFolder(root="pictures")
    (folder / "train" / "ape" / "0.png").touch()
    identity(config)
    reads.clear()
    identity(config)
    assert folder / "train" / "ape" / "0.png" in reads


def test_a_damaged_or_unwritable_memory_costs_time_only(identity, folder, settled, tmp_path):
    config = ImageFolder(root="pictures")
    before = identity(config)
    (memory,) = (tmp_path / "cache" / "file_hashes").iterdir()
    content = memory.read_bytes()
    for damaged in (b'{"train/ape', b"null", b"[1, 2]"):
        memory.write_bytes(damaged)
        assert identity(config) == before
    known = json.loads(content)
    known["files"]["train/ape/0.png"][1] = "of another file"
    memory.write_text(json.dumps(known))
    assert identity(config) == before
    memory.write_bytes(b"")
    assert identity(config) == before
    (tmp_path / "occupied").write_text("a file where a folder should be")
    assert identity(config, cache="occupied") == before


def test_pictures_keep_their_identity_when_brought_to_another_size(identity, folder):
    assert identity(ImageFolder(root="pictures")) == identity(ImageFolder(root="pictures", size=8))


def test_a_published_set_is_its_raw_files(identity, tmp_path):
    for name in Mnist.files:
        for root in ("one", "two"):
            (tmp_path / root / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / root / name).write_bytes(name.encode())
    before = identity(Mnist(root="one"))
    assert identity(Mnist(root="two")) == before
    (tmp_path / "two" / Mnist.files[0]).write_bytes(b"other")
    assert identity(Mnist(root="two")) != before


def test_absent_data_say_what_was_looked_for_and_how_to_get_it(identity, tmp_path):
    with pytest.raises(TransferSetError) as caught:
        identity(Mnist(root="nowhere"))
    message = str(caught.value)
    assert caught.value.path == "root"
    for part in (
        "`transfer_set.root` is 'nowhere'",
        str(tmp_path / "nowhere"),
        "does not exist",
        "MNIST/raw/train-images-idx3-ubyte",
        "a network",
    ):
        assert part in message
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (lambda root: shutil.rmtree(root / "test"), "test' is not there"),
        (lambda root: shutil.rmtree(root / "train" / "bee"), "1 class folders"),
        (lambda root: (root / "test" / "cat").mkdir(), "test/cat' is a class without a folder"),
        (lambda root: (root / "train" / "cat").mkdir(), "train/cat' is a class without pictures"),
        (lambda root: (root / "train" / "a.png").touch(), "train/a.png' lies beside"),
        (lambda root: (root / "train" / "ape" / "x.txt").touch(), "ape/x.txt' is not a picture"),
        (lambda root: (root / "train" / "ape" / "in").mkdir(), "ape/in' is a folder within"),
    ],
)
def test_a_wrong_layout_is_reported_with_its_place(identity, folder, harm, expected):
    harm(folder)
    with pytest.raises(TransferSetError, match=expected) as caught:
        identity(ImageFolder(root="pictures"))
    assert caught.value.path == "root"


def test_what_systems_leave_behind_does_not_count(identity, folder):
    before = identity(ImageFolder(root="pictures"))
    (folder / "train" / ".DS_Store").touch()
    (folder / "train" / "ape" / "Thumbs.db").touch()
    assert identity(ImageFolder(root="pictures")) == before


def test_a_custom_set_is_its_source_and_its_options(identity, tmp_path):
    source = tmp_path / "mine.py"
    source.write_text("def one(): ...\ndef two(): ...\n")
    seen = [
        identity(CustomTransferSet(source="mine.py:one")),
        identity(CustomTransferSet(source="mine.py:two")),
        identity(CustomTransferSet(source="mine.py:one", options={"n": 1})),
        identity(CustomTransferSet(source="mine.py:one", options={"n": 1.5})),
    ]
    source.write_text("def one(): ...\ndef two(): return 1\n")
    seen.append(identity(CustomTransferSet(source="mine.py:one")))
    assert len(set(seen)) == 5
    with pytest.raises(UserError, match=r"mine\.py"):
        source.unlink()
        identity(CustomTransferSet(source="mine.py:one"))


def test_seeds_and_parts_are_not_the_data(identity):
    assert identity(Digits(seed=1, fraction=0.5, augment="crop_flip")) == identity(Digits())
