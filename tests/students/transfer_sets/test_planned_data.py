"""Claims about planned data: a role that finds others refuses them, and says what has changed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from students.errors import TransferSetError, UserError
from students.transfer_sets import catalog
from students.transfer_sets.catalog import load_planned, load_transfer_set
from students.transfer_sets.config import CustomTransferSet, Digits, ImageFolder
from students.transfer_sets.identity import DIGITS_IDENTITY, identify
from students.transfer_sets.planned_data import PlannedData, PlannedFile

PICTURES = ImageFolder(root="pictures", size=4, validation="none")
Plan = Callable[..., PlannedData]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes of three pictures for training and one for the test."""
    for part, count in (("train", 3), ("test", 1)):
        for shade, name in ((50, "dark"), (200, "light")):
            folder = tmp_path / "pictures" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                Image.new("L", (4, 4), shade + number).save(folder / f"{number}.png")
    return tmp_path / "pictures"


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Loads a transfer set as planning does."""

    def of(config: ImageFolder | CustomTransferSet = PICTURES) -> PlannedData:
        cache = tmp_path / "cache"
        identity = load_transfer_set(config, folder=tmp_path, cache=cache).identity
        return PlannedData(config, identity, tmp_path, cache)

    return of


@pytest.fixture
def custom(tmp_path: Path) -> Callable[[str], CustomTransferSet]:
    """A custom set in ``data.py``; ``order`` is an expression for the order of its 20 samples."""

    def of(order: str) -> CustomTransferSet:
        (tmp_path / "data.py").write_text(
            "import tempfile, numpy as np, torch\n"
            f"HERE = {str(tmp_path)!r}\n"
            "seeded = np.random.default_rng(0)\n"
            "def load():\n"
            f"    order = {order}\n"
            "    x = np.repeat(np.arange(20, dtype=np.uint8), 16).reshape(20, 4, 4)[order]\n"
            "    y = np.arange(20)[order] % 2\n"
            "    return {'train': (x[:15], y[:15]), 'test': (x[15:], y[15:])}\n"
        )
        return CustomTransferSet(source="data.py:load", validation="none")

    return of


def test_data_that_are_as_they_were_planned_are_loaded(root: Path, plan: Plan) -> None:
    planned = plan()
    assert load_planned(planned).identity == planned.identity


def test_files_of_models_that_changed_or_are_gone_are_named(plan: Plan, tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"planned")
    file = PlannedFile.at("teachers.wide.weights.path", weights, tmp_path / "cache")
    planned = PlannedData(Digits(), DIGITS_IDENTITY, tmp_path, tmp_path / "cache", (file,))
    assert load_planned(planned).classes == 10
    for change in (lambda: weights.write_bytes(b"another"), weights.unlink):
        change()
        with pytest.raises(UserError, match=r"^`teachers\.wide\.weights\.path` is '.*has changed"):
            load_planned(planned)


def test_files_that_were_added_changed_or_removed_are_named(root: Path, plan: Plan) -> None:
    planned = plan()
    for name in ("b", "a"):
        shutil.copy(root / "train/dark/0.png", root / f"train/light/{name}.png")
    Image.new("L", (4, 4), 9).save(root / "test/dark/0.png")
    (root / "train/light/2.png").unlink()
    with pytest.raises(TransferSetError) as caught:
        load_planned(planned)
    assert (
        "(2 added, first 'train/light/a.png'; 1 removed, 'train/light/2.png'; 1 changed, "
        "'test/dark/0.png')" in str(caught.value)
    )


def test_without_a_record_of_what_was_planned_a_change_is_still_refused(
    root: Path, plan: Plan, tmp_path: Path
) -> None:
    planned = plan()
    (root / "train/light/2.png").unlink()
    for record in (tmp_path / "cache" / "contents").iterdir():
        record.write_text('{"train/light/2.png": "another"}')
    with pytest.raises(TransferSetError, match="data have changed since this run was planned; put"):
        load_planned(planned)


def test_a_folder_that_no_longer_has_the_layout_is_said_to_have_changed(
    root: Path, plan: Plan
) -> None:
    planned = plan()
    shutil.rmtree(root / "test")
    with pytest.raises(
        TransferSetError, match=r"^The data have changed since .*test' is not there"
    ):
        load_planned(planned)


def test_a_folder_that_changes_while_it_is_decoded_is_not_kept(
    root: Path, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode_into = catalog.decode_into

    def slow_decode(*given: object) -> None:
        decode_into(*given)  # type: ignore[arg-type]
        Image.new("L", (4, 4), 9).save(root / "train/dark/0.png")

    monkeypatch.setattr(catalog, "decode_into", slow_decode)
    with pytest.raises(TransferSetError, match="has changed while it was read; run again once"):
        plan()
    monkeypatch.undo()
    assert plan().identity == identify(PICTURES, folder=tmp_path, cache=tmp_path / "other")


@pytest.mark.parametrize("order", ["np.random.permutation(20)", "torch.randperm(20).numpy()"])
def test_a_function_that_returns_other_data_each_time_is_not_planned(
    plan: Plan, custom: Callable[[str], CustomTransferSet], order: str
) -> None:
    with pytest.raises(TransferSetError, match="returns other data each time it is called; seed"):
        plan(custom(order))


def test_a_generator_that_the_file_seeds_begins_again_at_each_loading(
    plan: Plan, custom: Callable[[str], CustomTransferSet]
) -> None:
    planned = plan(custom("seeded.permutation(20)"))
    assert load_planned(planned).identity == planned.identity


def test_a_function_whose_data_were_loaded_before_is_called_once(
    plan: Plan, custom: Callable[[str], CustomTransferSet], tmp_path: Path
) -> None:
    (tmp_path / "calls").mkdir()
    config = custom("np.arange(20 if tempfile.mkdtemp(dir=HERE + '/calls') else 0)")
    plan(config)
    plan(config)
    assert len(list((tmp_path / "calls").iterdir())) == 3


def test_a_function_that_reads_a_file_which_was_changed_is_refused(
    plan: Plan, custom: Callable[[str], CustomTransferSet], tmp_path: Path
) -> None:
    np.save(tmp_path / "order.npy", np.arange(20))
    planned = plan(custom("np.load(HERE + '/order.npy')"))
    np.save(tmp_path / "order.npy", np.arange(20)[::-1])
    with pytest.raises(TransferSetError, match="change no file that it reads"):
        load_planned(planned)


def test_a_functions_file_that_was_edited_is_named_before_it_is_run(
    plan: Plan, custom: Callable[[str], CustomTransferSet]
) -> None:
    planned = plan(custom("np.arange(20)"))
    custom("half written")
    with pytest.raises(TransferSetError, match=r"planned \(1 changed, 'data\.py'\)"):
        load_planned(planned)
