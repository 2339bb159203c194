"""A sealed file returns what was sealed, or an error."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from teachers.bank.budget import bytes_of_one_view
from teachers.bank.columns import Column
from teachers.bank.reader import StoredView, is_filled
from teachers.bank.sealed_file import BLOCK_BYTES, CorruptBlocks, IdBitmap
from teachers.bank.shelf import Shelf, read_about, sealed_path
from teachers.bank.writer import LiveView
from tests.teachers.bank.shelves import (
    CLASSES,
    LOGITS,
    SAMPLES,
    TAP,
    about,
    answers,
    fill,
    flip,
    ids_of,
    shelf_in,
    some,
)  # fmt: skip

WIDE = Column("tap.wide", (1024,))
"""2 kB a row: 32 rows in a block."""


def logits_of(shelf: Shelf, view: int = 0, column: str = "logits") -> Path:
    return sealed_path(shelf.view_folder(view), column)


@pytest.mark.parametrize("count", [1, 64, 700, SAMPLES])
def test_bitmap_has_each_id_and_its_row(count: int) -> None:
    ids = np.sort(some(count))
    bitmap = IdBitmap.of(ids, SAMPLES)
    assert bitmap.total == count
    assert bitmap.ids().tolist() == ids.tolist()
    everything = np.arange(SAMPLES)
    assert (bitmap.present(everything) == np.isin(everything, ids)).all()
    assert bitmap.rows(ids).tolist() == list(range(count))


def test_what_was_sealed_is_read_in_any_order(tmp_path: Path) -> None:
    shelf = shelf_in(tmp_path, LOGITS, TAP)
    fill(shelf, 3, some(500))
    view = StoredView(shelf, 3)
    assert view.present(np.arange(SAMPLES)).sum() == 500
    ids = some(500)[[7, 3, 3, 499]]
    read = view.read(ids)
    assert set(read) == {"logits", "tap.layer3:pool"}
    assert (read["logits"] == answers(ids)).all()
    assert (read["tap.layer3:pool"] == answers(ids, TAP)).all()


def test_nothing_is_stored_of_another_view(tmp_path: Path) -> None:
    shelf = shelf_in(tmp_path)
    fill(shelf, 0, some(10))
    assert not StoredView(shelf, 1).present(some(10)).any()
    assert is_filled(shelf, [0], some(10)) is True
    assert is_filled(shelf, [0, 1], some(10)) is False
    assert is_filled(shelf, [0], some(11)) is False


def test_answer_is_there_only_in_all_its_columns(tmp_path: Path) -> None:
    fill(shelf_in(tmp_path), 0, some(10))
    fill(shelf_in(tmp_path, LOGITS, TAP), 0, some(4))
    both = StoredView(shelf_in(tmp_path, LOGITS, TAP), 0)
    assert both.present(some(10)).tolist() == [True] * 4 + [False] * 6
    assert StoredView(shelf_in(tmp_path), 0).present(some(10)).all()


def test_sealed_logits_take_at_most_a_tenth_more_than_raw_ones(tmp_path: Path) -> None:
    shelf = shelf_in(tmp_path, samples=60_000)
    ids = np.random.default_rng(0).permutation(60_000)[:45_000]
    fill(shelf, 0, ids, at_once=4096)
    size = logits_of(shelf).stat().st_size
    assert size == bytes_of_one_view([LOGITS], 60_000, 45_000)
    assert size <= 1.01 * 45_000 * CLASSES * 2


def test_wherever_a_bit_is_flipped_nothing_wrong_is_read(tmp_path: Path) -> None:
    shelf = shelf_in(tmp_path)
    fill(shelf, 0, some(20))
    path = logits_of(shelf)
    content = path.read_bytes()
    for at in range(len(content)):
        path.write_bytes(content)
        flip(path, at)
        view = StoredView(shelf, 0)
        present = view.present(np.arange(SAMPLES))
        try:
            read = view.read(np.flatnonzero(present))
        except CorruptBlocks:
            assert not StoredView(shelf, 0).present(some(20)).any()
            continue
        assert not present.any(), at
        assert len(read.get("logits", ())) == 0


@pytest.mark.parametrize("length", [0, 10, 64, 200, -1])
def test_file_that_is_cut_off_is_not_read(tmp_path: Path, length: int) -> None:
    shelf = shelf_in(tmp_path)
    fill(shelf, 0, some(20))
    path = logits_of(shelf)
    path.write_bytes(path.read_bytes()[:length])
    assert not StoredView(shelf, 0).present(some(20)).any()
    assert not path.exists(), "it is deleted"


def test_corrupt_block_alone_is_computed_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = shelf_in(tmp_path, WIDE)
    fill(shelf, 0, some(100))
    flip(logits_of(shelf, column="tap.wide"), -(BLOCK_BYTES + 7 * 2048))
    view, ids = StoredView(shelf, 0), some(100)
    with pytest.raises(CorruptBlocks):
        view.read(ids)
    gone = ids[~view.present(ids)]
    assert 0 < len(gone) <= 32
    assert "1 block(s)" in caplog.text
    again = StoredView(shelf, 0)
    assert again.present(ids).tolist() == view.present(ids).tolist()
    stays = ids[again.present(ids)]
    assert (again.read(stays)["tap.wide"] == answers(stays, WIDE)).all()
    fill(shelf, 0, gone)
    assert (StoredView(shelf, 0).read(ids)["tap.wide"] == answers(ids, WIDE)).all()


CHANGES = [
    {"weights_sha256": "ff" * 32}, {"model": {"kind": "mlp", "hidden": [7]}},
    {"preprocessing": "0.5/0.5"}, {"classes": ["b", "a"]}, {"precision": "bf16"}, {"threads": 2},
    {"transfer_set": "other"}, {"size": [32, 32]}, {"augment": "crop_flip"}, {"seed": 1},
    {"format": 2},
]  # fmt: skip


@pytest.mark.parametrize("changed", CHANGES, ids=lambda changed: next(iter(changed)))
def test_file_of_another_shelf_is_never_read_even_in_its_place(
    tmp_path: Path, changed: dict[str, object]
) -> None:
    fill(mine := shelf_in(tmp_path), 0, some(20))
    other = shelf_in(tmp_path, **changed)
    assert other.folder != mine.folder
    shutil.copytree(mine.folder / "view-0", other.folder / "view-0")
    assert not StoredView(other, 0).present(some(20)).any()
    assert StoredView(mine, 0).present(some(20)).all()


def test_file_of_another_inference_config_view_or_column_is_never_read(tmp_path: Path) -> None:
    fill(mine := shelf_in(tmp_path), 0, some(20))
    other = shelf_in(tmp_path, inference={"threads": 2})
    assert other.folder == mine.folder
    shutil.copy(logits_of(mine), tmp_path / "kept")
    assert not StoredView(other, 0).present(some(20)).any()
    (mine.folder / "view-1").mkdir()
    shutil.copy(tmp_path / "kept", logits_of(mine, 1))
    assert not StoredView(mine, 1).present(some(20)).any()
    same_size = shelf_in(tmp_path, Column("tap.a", (CLASSES,)))
    shutil.copy(tmp_path / "kept", logits_of(same_size, 0, "tap.a"))
    assert not StoredView(same_size, 0).present(some(20)).any()


def test_journal_of_another_shelf_is_never_sealed(tmp_path: Path) -> None:
    mine, other = shelf_in(tmp_path), shelf_in(tmp_path, seed=1)
    fresh = LiveView(mine, 0)
    fresh.append(ids_of(1), {"logits": answers(ids_of(1))})
    shutil.copytree(mine.folder / "view-0", other.folder / "view-0")
    assert not LiveView(other, 0).present(ids_of(1)).any()
    assert not StoredView(other, 0).present(ids_of(1)).any()


def test_readers_keep_the_file_that_they_opened(tmp_path: Path) -> None:
    shelf = shelf_in(tmp_path)
    fill(shelf, 0, some(10))
    before = StoredView(shelf, 0)
    fill(shelf, 0, some(200))
    assert before.present(some(200)).sum() == 10
    assert (before.read(some(10))["logits"] == answers(some(10))).all()
    assert StoredView(shelf, 0).present(some(200)).all()


def test_about_is_what_the_shelf_says_of_itself(tmp_path: Path) -> None:
    assert read_about(shelf_in(tmp_path, seed=3).folder) == about(seed=3)
