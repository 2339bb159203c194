import hashlib
import pickle
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch

from students.errors import TransferSetError
from students.torchvision_door import load_torchvision
from students.transfer_sets import torchvision_sets
from students.transfer_sets.catalog import load_transfer_set
from students.transfer_sets.config import (
    Cifar10,
    Cifar100,
    CustomTransferSet,
    Digits,
    FashionMnist,
    Mnist,
)
from students.transfer_sets.digits import load_digits
from students.transfer_sets.identity import identify


@pytest.fixture
def load(tmp_path):
    def of(config):
        return load_transfer_set(config, folder=tmp_path, cache=tmp_path / "cache")

    return of


@pytest.fixture
def custom(tmp_path, load):
    """Loads what a body of ``function(**options)`` returns; ``good`` stands ready in it."""

    def of(body, **options):
        (tmp_path / "mine.py").write_text(
            "import numpy as np, torch\n"
            "def part(n, seed):\n"
            "    noise = np.random.default_rng(seed).integers(0, 256, (n, 3, 4, 4), np.uint8)\n"
            "    return noise, np.arange(n) % 2\n"
            "def function(**options):\n"
            "    good = {'train': part(20, 0), 'test': part(6, 1)}\n"
            f"    {body}\n"
        )
        return load(CustomTransferSet(source="mine.py:function", options=options))

    return of


def write_idx(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


def write_mnist(root, kind=Mnist, seed=0):
    """A small set in the form of MNIST: 40 and 20 pictures."""
    noise = np.random.default_rng(seed)
    names = kind.files
    for count, images, labels in ((40, names[0], names[1]), (20, names[2], names[3])):
        write_idx(root / images, noise.integers(0, 256, (count, 28, 28)))
        write_idx(root / labels, np.arange(count) % 10)


def test_the_digits_are_scikit_learns_own():
    from sklearn.datasets import load_digits as original

    given, taken = original(), load_digits()
    scaled = (given.images * 255 / 16 + 0.5).astype(np.uint8)
    rows = {
        (picture.tobytes(), int(digit)) for picture, digit in zip(scaled, given.target, strict=True)
    }
    assert len(rows) == 1797
    assert rows == {(p.tobytes(), int(t)) for p, t in zip(taken.inputs, taken.targets, strict=True)}


def test_mean_and_deviation_are_of_the_training_part(load):
    found = load(Digits())
    pictures = found.inputs[:1347].double() / 255
    assert found.mean == (round(float(pictures.mean()), 4),)
    assert found.std == (round(float(pictures.std(correction=0)), 4),)


@pytest.mark.parametrize("config", [Mnist(root="d"), FashionMnist(root="d")])
def test_a_set_in_mnists_form_is_read_as_it_lies_there(load, config, tmp_path):
    write_mnist(tmp_path / "d", type(config))
    found = load(config)
    raw = (tmp_path / "d" / config.files[2]).read_bytes()[16:]
    assert found.shape == (1, 28, 28) and found.train_count == 40 and found.classes == 10
    assert found.inputs[40:].numpy().tobytes() == raw
    assert found.identity == identify(config, folder=tmp_path, cache=tmp_path / "c")


def test_raw_files_count_and_not_what_torchvision_once_made_of_them(load, tmp_path):
    write_mnist(tmp_path / "d")
    (tmp_path / "d" / "MNIST" / "processed").mkdir()
    for name in ("training.pt", "test.pt"):
        other = (torch.zeros(30, 28, 28, dtype=torch.uint8), torch.arange(30) % 10)
        torch.save(other, tmp_path / "d" / "MNIST" / "processed" / name)
    found = load(Mnist(root="d"))
    assert len(found.targets) == 60 and found.inputs.any()


def test_a_pickle_that_is_not_the_published_one_is_not_opened(load, tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    for name in Cifar10.files:
        (tmp_path / "d" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / name).write_bytes(pickle.dumps(Trap()))
    with pytest.raises(TransferSetError, match="damaged"):
        load(Cifar10(root="d"))
    assert not (tmp_path / "sprung").exists()


def test_pictures_are_decoded_once(load, tmp_path, monkeypatch):
    write_mnist(tmp_path / "d")
    first = load(Mnist(root="d"))
    monkeypatch.setattr("students.transfer_sets.catalog.load_published", None)
    second = load(Mnist(root="d", fraction=0.5))
    assert torch.equal(first.inputs, second.inputs)
    assert np.array_equal(first.targets, second.targets)
    assert (first.mean, first.std, first.class_names) == (
        second.mean,
        second.std,
        second.class_names,
    )


def test_other_files_are_not_mistaken_for_those_decoded_before(load, tmp_path):
    write_mnist(tmp_path / "d", seed=0)
    first = load(Mnist(root="d"))
    write_mnist(tmp_path / "d", seed=1)
    assert not torch.equal(load(Mnist(root="d")).inputs, first.inputs)


def test_a_damaged_cache_is_written_again(load, tmp_path):
    write_mnist(tmp_path / "d")
    first = load(Mnist(root="d")).inputs.clone()
    (kept,) = (tmp_path / "cache" / "transfer_sets").glob("*/inputs.npy")
    kept.write_bytes(kept.read_bytes()[:500])
    assert torch.equal(load(Mnist(root="d")).inputs, first)


def test_the_cache_cannot_be_changed_through_the_pictures(load, tmp_path):
    write_mnist(tmp_path / "d")
    before = load(Mnist(root="d")).inputs.clone()
    load(Mnist(root="d")).inputs.zero_()
    assert torch.equal(load(Mnist(root="d")).inputs, before)


def test_truncated_files_are_reported_with_their_folder(load, tmp_path):
    write_mnist(tmp_path / "d")
    file = tmp_path / "d" / Mnist.files[0]
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(TransferSetError, match=r"damaged.*delete '.*MNIST/raw'") as caught:
        load(Mnist(root="d"))
    assert caught.value.path == "root"


@pytest.mark.parametrize("config", [Mnist(root="d"), Cifar10(root="d"), Cifar100(root="d")])
def test_without_data_and_network_the_problem_says_what_to_do(load, config, tmp_path, monkeypatch):
    def no_network(*_, **__):
        raise URLError("Name or service not known")

    for module in (load_torchvision().datasets.mnist, load_torchvision().datasets.cifar):
        monkeypatch.setattr(module, "download_and_extract_archive", no_network)
    with pytest.raises(TransferSetError) as caught:
        load(config)
    message = str(caught.value)
    assert caught.value.path == "root"
    for part in (
        "`transfer_set.root` is 'd'",
        str(tmp_path / "d"),
        config.files[0],
        "Name or service not known",
        "network",
    ):
        assert part in message
    assert [entry.name for entry in (tmp_path / "d").iterdir() if entry.is_dir()] == []


def test_what_is_absent_is_downloaded_once_and_whole(load, tmp_path, monkeypatch):
    fetched = []

    def from_afar(url, download_root, filename, md5):
        fetched.append(filename)
        name = next(name for name in Mnist.files if filename.startswith(name[10:]))
        write_mnist(tmp_path / "afar")
        (tmp_path / "afar" / name).rename(f"{download_root}/{filename.removesuffix('.gz')}")

    mnist = load_torchvision().datasets.mnist
    monkeypatch.setattr(mnist, "download_and_extract_archive", from_afar)
    found = load(Mnist(root="d"))
    assert len(found.targets) == 60 and len(fetched) == 4
    load(Mnist(root="d", seed=1))
    assert len(fetched) == 4


def test_an_unwritable_root_is_a_problem(load, tmp_path):
    (tmp_path / "d").write_text("a file where a folder should be")
    with pytest.raises(TransferSetError, match="could not be downloaded") as caught:
        load(Mnist(root="d"))
    assert caught.value.path == "root"


def test_an_unwritable_cache_is_a_problem(load, tmp_path):
    write_mnist(tmp_path / "d")
    (tmp_path / "cache").write_text("a file where a folder should be")
    with pytest.raises(TransferSetError, match="choose another home"):
        load(Mnist(root="d"))


def test_a_silent_network_is_given_up(monkeypatch):
    import socket

    before = socket.getdefaulttimeout()
    with torchvision_sets._bounded():
        assert socket.getdefaulttimeout() == 30
    assert socket.getdefaulttimeout() == before


def test_a_custom_set_may_be_numpy_or_torch_grey_or_colour(custom):
    found = custom("return good")
    assert found.shape == (3, 4, 4) and found.class_names == ("0", "1")
    grey = custom(
        "return {name: (torch.from_numpy(x[:, 0]), torch.from_numpy(y)) "
        "for name, (x, y) in good.items()}"
    )
    assert grey.shape == (1, 4, 4)
    assert torch.equal(grey.inputs[:, 0], found.inputs[:, 0])
    narrow = custom("return {k: (x.reshape(len(x), 48, 1, 1), y) for k, (x, y) in good.items()}")
    assert narrow.shape == (48, 1, 1)
    named = custom("return {**good, 'class_names': ['cat', 'dog']}")
    assert named.class_names == ("cat", "dog")


def test_a_custom_sets_identity_covers_its_arrays(custom, tmp_path):
    body = "good['train'][0][0, 0, 0, 0] = options['value']; return good"
    assert custom(body, value=1).identity == custom(body, value=1).identity
    assert custom(body, value=1).identity != custom(body, value=2).identity
    stored = tmp_path / "stored.npy"
    body = f"good['test'][0][0] = np.load({str(stored)!r}); return good"
    np.save(stored, np.full((3, 4, 4), 1, np.uint8))
    first = custom(body).identity
    np.save(stored, np.full((3, 4, 4), 2, np.uint8))
    assert custom(body).identity != first


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return None", "returned nothing"),
        ("return [1]", "returned a list"),
        ("return {'train': good['train']}", "the keys train"),
        ("return {**good, 'valid': 1}", "the keys test, train, valid"),
        ("return {**good, 'test': 5}", "returned a int as test"),
        (
            "return {k: ((x > 127).astype('u1'), y) for k, (x, y) in good.items()}",
            "returned train pictures of the values 0 and 1 alone; return values from 0 to 255",
        ),
        (
            "return {k: (x.transpose(0, 2, 3, 1), y) for k, (x, y) in good.items()}",
            r"returned train pictures of \[20, 4, 4, 3\], whose last axis is that of the channels",
        ),
        (
            "return {k: (np.zeros((len(x), 16, 16, 1), 'u1'), y) for k, (x, y) in good.items()}",
            r"pictures of \[20, 16, 16, 1\], whose last axis",
        ),
        (
            "return {k: ([p[:, : 3 + i % 2] for i, p in enumerate(x)], y) "
            "for k, (x, y) in good.items()}",
            r"train pictures of 2 shapes, \[3, 3, 4\] and \[3, 4, 4\] among them; bring all to",
        ),
        (
            "x = np.empty(20, object); x[:] = [np.zeros((3, 4 + i % 2), 'u1') for i in range(20)]; "
            "return {**good, 'train': (x, good['train'][1])}",
            r"train pictures of 2 shapes, \[3, 4\] and \[3, 5\] among them",
        ),
        (
            "return {k: (iter(x), y) for k, (x, y) in good.items()}",
            "as train pictures, which cannot be made an array of numbers",
        ),
        (
            "return {k: (torch.zeros(len(x), 3, 4, 4, dtype=torch.bfloat16), y) "
            "for k, (x, y) in good.items()}",
            r"cannot be made an array of numbers \(TypeError",
        ),
        ("return {**good, 'class_names': 2}", "class_names 2"),
        ("x, y = good['train']; return {**good, 'train': (x / 255, y)}", "float64"),
        ("x, y = good['train']; return {**good, 'train': (x[0, 0], y)}", r"uint8 \[4, 4\]"),
        ("x, y = good['train']; return {**good, 'train': (x, y[1:])}", r"\[19\] for 20"),
        ("x, y = good['train']; return {**good, 'train': (x, y / 1)}", "targets of float64"),
        ("x, y = good['test']; return {**good, 'test': (x[..., 1:], y)}", "bring them to one"),
        ("x, y = good['train']; return {**good, 'train': (x, y - 1)}", "from -1 to 1"),
        ("x, y = good['train']; return {**good, 'train': (x, y * 2)}", "has no sample of class 1"),
        (
            "x, y = good['test']; return {**good, 'test': (x, y + 1)}",
            "from 0 to 2, but 2 classes",
        ),
        ("return {**good, 'class_names': 'ab'}", "class_names 'ab'"),
        ("return {**good, 'class_names': ['a', 'b', 'c']}", "has no sample of class 2"),
        ("raise KeyError('lost')", "raised KeyError at .*: 'lost'"),
    ],
)
def test_what_a_custom_function_may_not_return(custom, body, expected):
    with pytest.raises(TransferSetError, match=expected):
        custom(body)


@pytest.mark.parametrize(
    ("options", "path", "expected"),
    [
        ({"validation": 1347}, "validation", "is 1347, but the training part has 1347"),
        ({"validation": 1346}, "validation", "every training sample of class"),
        ({"validation": 1e-4}, "validation", "no sample of the 1347"),
    ],
)
def test_parts_that_the_data_do_not_allow_are_problems(load, options, path, expected):
    with pytest.raises(TransferSetError, match=expected) as caught:
        load(Digits(**options))
    assert caught.value.path == path


def test_mnist_and_cifar10_are_the_published_ones(load, data_root):
    root = data_root.resolve()
    mnist = load(Mnist(root=str(root)))
    assert (mnist.train_count, len(mnist.test_ids), mnist.shape) == (60000, 10000, (1, 28, 28))
    assert (mnist.mean, mnist.std) == ((0.1307,), (0.3081,))
    assert mnist.targets[:5].tolist() == [5, 0, 4, 1, 9]
    cifar = load(Cifar10(root=str(root)))
    assert (cifar.train_count, len(cifar.test_ids), cifar.shape) == (50000, 10000, (3, 32, 32))
    assert cifar.mean == (0.4914, 0.4822, 0.4465) and cifar.std == (0.247, 0.2435, 0.2616)
    assert cifar.class_names[3] == "cat" and cifar.targets[50000] == 3
    batch = (root / "cifar-10-batches-py" / "test_batch").read_bytes()
    assert cifar.inputs[50000].numpy().tobytes() in batch
    assert len(hashlib.sha256(batch).hexdigest()) == len(cifar.identity)
