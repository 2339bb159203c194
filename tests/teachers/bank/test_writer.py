"""A writer reads what all others have stored, and goes on when it cannot store any more."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from teachers.bank.reader import StoredView
from teachers.bank.shelf import Shelf, journals_in
from teachers.bank.writer import LiveView
from tests.teachers.bank.shelves import (
    LOGITS,
    TAP,
    answers,
    append,
    fill,
    flip,
    ids_of,
    in_child,
    shelf_in,
    some,
)  # fmt: skip

NOBODY = 65534


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return shelf_in(tmp_path)


@pytest.fixture
def public_home() -> Iterator[Path]:
    """A folder that any user can reach; those above the folder of ``TMPDIR`` may be private."""
    with TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def bytes_in(shelf: Shelf) -> int:
    return sum(path.stat().st_size for path in journals_in(shelf.folder / "view-0"))


def test_writer_reads_what_it_has_stored(shelf: Shelf) -> None:
    fresh = LiveView(shelf, 0)
    assert not fresh.present(some(20)).any()
    append(fresh, some(10))
    assert fresh.present(some(20)).tolist() == [True] * 10 + [False] * 10
    ids = some(10)[[3, 9, 0, 3]]
    assert (fresh.read(ids)["logits"] == answers(ids)).all()


def test_writer_sees_after_a_refresh_what_others_store_while_they_live(shelf: Shelf) -> None:
    one, two = LiveView(shelf, 0), LiveView(shelf, 0)
    append(one, some(5))
    assert not two.present(some(5)).any()
    two.refresh()
    append(one, some(9)[5:])
    assert two.present(some(9)).sum() == 5
    two.refresh()
    assert (two.read(some(9))["logits"] == answers(some(9))).all()


def test_writer_reads_sealed_and_journalled_answers_alike(shelf: Shelf) -> None:
    fill(shelf, 0, some(5))
    one, two = LiveView(shelf, 0), LiveView(shelf, 0)
    append(two, some(9)[5:])
    append(one, some(12)[9:])
    one.refresh()
    ids = some(12)[::-1]
    assert one.present(ids).all()
    assert (one.read(ids)["logits"] == answers(ids)).all()


def test_journal_that_is_sealed_while_a_writer_reads_it_is_not_lost(shelf: Shelf) -> None:
    late = LiveView(shelf, 0)
    early = LiveView(shelf, 0)
    append(early, some(5))
    late.refresh()
    append(early, some(9)[5:])
    early.close()
    assert journals_in(shelf.folder / "view-0") == []
    late.refresh()
    assert late.present(some(9)).all()
    assert (late.read(some(9))["logits"] == answers(some(9))).all()


def test_nothing_is_stored_twice(shelf: Shelf) -> None:
    fill(shelf, 0, some(3))
    fresh = LiveView(shelf, 0)
    append(fresh, some(5))
    size = bytes_in(shelf)
    append(fresh, some(5))
    append(fresh, np.concatenate([some(5), some(5)]))
    assert bytes_in(shelf) == size
    assert size == 48 + 16 + 2 * (8 + LOGITS.row_bytes)


def test_other_taps_do_not_store_the_logits_again(tmp_path: Path) -> None:
    fill(shelf_in(tmp_path), 0, some(5))
    both = shelf_in(tmp_path, LOGITS, TAP)
    fresh = LiveView(both, 0)
    assert not fresh.present(some(5)).any()
    append(fresh, some(5), LOGITS, TAP)
    names = [path.name.split(".")[0] for path in journals_in(both.folder / "view-0")]
    assert names == ["tap"]
    assert fresh.present(some(5)).all()


def test_writer_that_only_reads_changes_no_file(shelf: Shelf) -> None:
    fill(shelf, 0, some(5))
    before = {path: path.stat().st_mtime_ns for path in shelf.folder.rglob("*.sealed")}
    fresh = LiveView(shelf, 0)
    fresh.read(some(5))
    fresh.close()
    fresh.close()
    assert {path: path.stat().st_mtime_ns for path in shelf.folder.rglob("*.sealed")} == before


def test_corrupt_block_is_absent_and_can_be_stored_again(shelf: Shelf) -> None:
    fill(shelf, 0, some(5))
    flip(next(shelf.folder.rglob("*.sealed")), -1)
    fresh = LiveView(shelf, 0)
    assert not fresh.present(some(5)).any()
    append(fresh, some(5))
    assert (fresh.read(some(5))["logits"] == answers(some(5))).all()
    fresh.close()
    assert StoredView(shelf, 0).present(some(5)).all()


def test_full_disk_is_a_sentence_and_no_error(shelf: Shelf) -> None:
    def on_a_full_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
        fresh = LiveView(shelf, 0)
        append(fresh, some(8))
        assert fresh.trouble == ""
        append(fresh, some(40)[8:])
        sentence = fresh.trouble
        assert sentence.startswith(f"the bank in '{shelf.bank}' cannot be written (file too large)")
        append(fresh, some(60)[40:])
        assert fresh.trouble == sentence
        assert fresh.present(some(60)).sum() == 8
        fresh.close()

    assert in_child(on_a_full_disk) == 0
    assert StoredView(shelf, 0).present(some(60)).sum() == 8


def test_bank_that_may_only_be_read_is_read(public_home: Path) -> None:
    shelf = shelf_in(public_home)
    fill(shelf, 0, some(5))
    if os.getuid() != 0:
        for folder in (shelf.folder, shelf.folder / "view-0"):
            folder.chmod(0o555)

    def without_rights() -> None:
        if os.getuid() == 0:
            os.setuid(NOBODY)
        assert StoredView(shelf, 0).present(some(5)).all()
        for view, count in ((0, 5), (1, 0)):
            fresh = LiveView(shelf, view)
            assert fresh.present(some(5)).sum() == count
            assert fresh.claim(some(9)).sum() == 9 - count
            append(fresh, some(9))
            assert "cannot be written (permission denied)" in fresh.trouble
            fresh.close()

    status = in_child(without_rights)
    for folder in (shelf.folder, shelf.folder / "view-0"):
        folder.chmod(0o755)
    assert status == 0


def test_what_another_computes_is_not_granted(shelf: Shelf) -> None:
    one, two = LiveView(shelf, 0), LiveView(shelf, 0)
    assert one.claim(some(6)).all()
    assert one.claim(some(6)).any() == np.False_, "not even to another thread of the same host"
    assert two.claim(some(9)).tolist() == [False] * 6 + [True] * 3
    append(one, some(6))
    assert two.claim(some(6)).any() == np.False_, "stored by now"
    assert two.present(some(6)).all()


def test_claim_that_is_released_is_granted_to_another(shelf: Shelf) -> None:
    one, two = LiveView(shelf, 0), LiveView(shelf, 0)
    one.claim(ids_of(1, 2))
    one.release(ids_of(1))
    assert two.claim(ids_of(1, 2)).tolist() == [True, False]
    one.close()
    assert two.claim(ids_of(2)).all()


def test_claims_end_with_their_process(shelf: Shelf) -> None:
    def claim_and_die() -> None:
        assert LiveView(shelf, 0).claim(some(5)).all()
        os._exit(7)

    assert in_child(claim_and_die) == 7
    assert LiveView(shelf, 0).claim(some(5)).all()


def test_wait_ends_when_the_other_writer_has_stored(shelf: Shelf) -> None:
    one, two = LiveView(shelf, 0), LiveView(shelf, 0)
    one.claim(some(5))
    threading.Timer(0.05, append, (one, some(5))).start()
    two.wait(some(5), 20)
    assert two.present(some(5)).all()


def test_wait_for_a_writer_that_hangs_is_bounded(shelf: Shelf) -> None:
    one, two = LiveView(shelf, 0), LiveView(shelf, 0)
    one.claim(some(5))
    two.wait(some(5), 0.05)
    assert not two.present(some(5)).any()


def test_writers_in_step_compute_each_answer_once(shelf: Shelf) -> None:
    computed: list[np.ndarray] = []
    begin = threading.Barrier(3)

    def answer_all() -> None:
        fresh = LiveView(shelf, 0)
        begin.wait(20)
        for start in range(0, 600, 50):
            missing = some(600)[start : start + 50]
            while len(missing := missing[~fresh.present(missing)]):
                mine = missing[fresh.claim(missing)]
                if len(mine):
                    computed.append(mine)
                    append(fresh, mine)
                else:
                    fresh.wait(missing, 20)
        assert (fresh.read(some(600))["logits"] == answers(some(600))).all()
        fresh.close()

    threads = [threading.Thread(target=answer_all) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(np.concatenate(computed).tolist()) == sorted(some(600).tolist())
