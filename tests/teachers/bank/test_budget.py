"""The bank stays within its budget, and what was used longest ago is deleted first."""

from __future__ import annotations

import os
from pathlib import Path

from teachers.bank.budget import bytes_of_one_view, evict, views_on_disk
from teachers.bank.columns import Column
from teachers.bank.reader import StoredView, is_filled
from teachers.bank.shelf import Shelf
from teachers.bank.writer import LiveView
from tests.teachers.bank.shelves import LOGITS, SAMPLES, TAP, append, fill, shelf_in, some

ONE_VIEW = bytes_of_one_view([LOGITS], SAMPLES, 100)


def stored(shelf: Path) -> list[int]:
    return [view.view for view in views_on_disk(shelf)]


def age(shelf: Shelf, view: int, hours: int) -> None:
    for path in (shelf.folder / f"view-{view}").glob("*.sealed"):
        then = path.stat().st_mtime - 3600 * hours
        os.utime(path, (then, then))


def filled_shelf(home: Path, budget: int, views: int) -> Shelf:
    """A shelf of views of which the first was used longest ago."""
    shelf = shelf_in(home)
    for view in range(views):
        fill(shelf, view, some(100))
        age(shelf, view, views - view)
    return shelf_in(home, budget=budget)


def test_bytes_that_a_view_needs_are_those_that_it_takes(tmp_path: Path) -> None:
    shelf = shelf_in(tmp_path, LOGITS, TAP)
    fill(shelf, 0, some(700))
    ((view,)) = views_on_disk(shelf.folder)
    assert view.bytes == bytes_of_one_view([LOGITS, TAP], SAMPLES, 700)


def test_top_16_of_a_thousand_classes_take_a_thirtieth_of_them_all() -> None:
    samples = 1_280_000
    top, whole = Column("logits", (1000,), 16), Column("logits", (1000,))
    needed = bytes_of_one_view([top], samples, samples)
    assert 87e6 < needed < 88e6
    assert needed < bytes_of_one_view([whole], samples, samples) / 29


def test_view_used_longest_ago_is_deleted_when_sealing_exceeds_the_budget(tmp_path: Path) -> None:
    shelf = filled_shelf(tmp_path, 3 * ONE_VIEW, 3)
    fill(shelf, 7, some(100))
    assert stored(shelf.folder) == [1, 2, 7]
    assert is_filled(shelf, [1, 2, 7], some(100))


def test_opening_a_view_marks_its_use(tmp_path: Path) -> None:
    shelf = filled_shelf(tmp_path, 3 * ONE_VIEW, 3)
    StoredView(shelf, 0)
    fill(shelf, 7, some(100))
    assert stored(shelf.folder) == [0, 2, 7]


def test_all_shelves_share_one_budget(tmp_path: Path) -> None:
    filled_shelf(tmp_path, 0, 3)
    other = shelf_in(tmp_path, budget=2 * ONE_VIEW, seed=1)
    fill(other, 0, some(100))
    assert stored(shelf_in(tmp_path).folder) == [2]
    assert stored(other.folder) == [0]


def test_view_that_was_just_sealed_stays_however_small_the_budget(tmp_path: Path) -> None:
    shelf = filled_shelf(tmp_path, 10, 2)
    fill(shelf, 5, some(100))
    assert stored(shelf.folder) == [5]


def test_view_that_is_being_written_stays(tmp_path: Path) -> None:
    shelf = filled_shelf(tmp_path, 10, 2)
    writer = LiveView(shelf, 0)
    append(writer, some(101)[100:])
    age(shelf, 0, 100)
    fill(shelf, 5, some(100))
    assert stored(shelf.folder) == [0, 5]
    writer.close()
    assert stored(shelf.folder) == [0], "now it is the oldest"


def test_reader_of_a_deleted_view_still_reads_it(tmp_path: Path) -> None:
    shelf = filled_shelf(tmp_path, 10, 1)
    view = StoredView(shelf, 0)
    assert evict(shelf.bank, 10, keep=tmp_path) == [shelf.folder / "view-0"]
    assert len(view.read(some(100))["logits"]) == 100
    assert not StoredView(shelf, 0).present(some(100)).any()


def test_bank_within_its_budget_loses_nothing(tmp_path: Path) -> None:
    shelf = filled_shelf(tmp_path, 10 * ONE_VIEW, 4)
    assert evict(shelf.bank, 4 * ONE_VIEW, keep=tmp_path) == []
    assert stored(shelf.folder) == [0, 1, 2, 3]
