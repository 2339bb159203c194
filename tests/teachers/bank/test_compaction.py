"""Whatever ends a writer or a sealer, what was sealed stays and nothing wrong is read."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from teachers.bank import compaction
from teachers.bank.compaction import seal, seal_all
from teachers.bank.locks import folder_lock
from teachers.bank.reader import StoredView
from teachers.bank.shelf import Shelf, journals_in, sealed_path
from teachers.bank.writer import LiveView
from tests.teachers.bank.shelves import (
    LOGITS,
    SAMPLES,
    TAP,
    answers,
    append,
    fill,
    ids_of,
    in_child,
    shelf_in,
    some,
)  # fmt: skip


def write_and_die(shelf: Shelf, view: int, *batches: np.ndarray) -> None:
    """A writer that is killed before it seals."""

    def write() -> None:
        fresh = LiveView(shelf, view)
        for batch in batches:
            append(fresh, batch, *shelf.columns)
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(write) == -signal.SIGKILL


def sealed(shelf: Shelf, view: int = 0) -> bytes:
    return sealed_path(shelf.view_folder(view), "logits").read_bytes()


def intact_ids(shelf: Shelf, view: int = 0) -> set[int]:
    """Reads all that is there and compares it with what was answered; returns the ids."""
    stored = StoredView(shelf, view)
    ids = np.flatnonzero(stored.present(np.arange(SAMPLES)))
    read = stored.read(ids)
    for column in shelf.columns:
        if len(ids):
            assert (read[column.name] == answers(ids, column)).all()
    return set(ids.tolist())


def test_what_a_killed_writer_left_is_sealed_by_the_next_reader(tmp_path: Path) -> None:
    shelf = shelf_in(tmp_path, LOGITS, TAP)
    write_and_die(shelf, 0, some(30)[:20], some(30)[20:])
    assert len(journals_in(shelf.folder / "view-0")) == 2
    assert intact_ids(shelf) == set(some(30).tolist())
    assert journals_in(shelf.folder / "view-0") == []


def test_all_views_are_sealed_at_a_stages_end(tmp_path: Path) -> None:
    shelf = shelf_in(tmp_path)
    for view in range(3):
        write_and_die(shelf, view, some(5))
    seal_all(shelf)
    assert not any(journals_in(shelf.folder / f"view-{view}") for view in range(3))
    assert [len(intact_ids(shelf, view)) for view in range(3)] == [5] * 3
    seal_all(Shelf(tmp_path / "none", "", 1, 1, ()))


def test_journal_of_a_writer_that_lives_is_left_to_it(tmp_path: Path) -> None:
    shelf = shelf_in(tmp_path)
    fresh = LiveView(shelf, 0)
    append(fresh, some(5))
    fill(shelf, 0, some(9))
    assert len(journals_in(shelf.folder / "view-0")) == 1
    fresh.close()
    assert journals_in(shelf.folder / "view-0") == []
    assert intact_ids(shelf) == set(some(9).tolist())


def test_one_process_seals_at_a_time_and_none_waits(tmp_path: Path) -> None:
    shelf = shelf_in(tmp_path)
    write_and_die(shelf, 0, some(5))
    with folder_lock(shelf.folder / "view-0") as held:
        assert held
        assert seal(shelf, 0) == ""
        assert not StoredView(shelf, 0).present(some(5)).any()
    assert seal(shelf, 0) == ""
    assert intact_ids(shelf) == set(some(5).tolist())


def test_journal_of_a_writer_that_ends_during_sealing_is_sealed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = shelf_in(tmp_path)
    write_and_die(shelf, 0, some(5))
    late = LiveView(shelf, 0)
    append(late, some(9)[5:])
    closing, write = iter([late]), compaction.write_sealed

    def and_meanwhile(*arguments: object) -> None:
        for each in closing:
            each.close()
        write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(compaction, "write_sealed", and_meanwhile)
    assert seal(shelf, 0) == ""
    assert journals_in(shelf.folder / "view-0") == []
    assert intact_ids(shelf) == set(some(9).tolist())


def _fill_by_turns(shelf: Shelf, seed: int) -> None:
    fresh = LiveView(shelf, 0)
    for start in range(0, SAMPLES, 50):
        append(fresh, some(SAMPLES, seed)[start : start + 50])
    fresh.close()


def test_two_writers_at_once_make_the_bytes_that_one_makes(tmp_path: Path) -> None:
    alone, together = shelf_in(tmp_path / "alone"), shelf_in(tmp_path / "together")
    fill(alone, 0, np.arange(SAMPLES))
    spawn = get_context("spawn")
    writers = [spawn.Process(target=_fill_by_turns, args=(together, seed)) for seed in (1, 2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    seal_all(together)
    assert sealed(together) == sealed(alone)


def test_order_and_batches_of_writing_make_no_difference(tmp_path: Path) -> None:
    shelves = [shelf_in(tmp_path / name) for name in "ab"]
    fill(shelves[0], 0, some(300))
    for part in np.array_split(some(300)[::-1], 7):
        fill(shelves[1], 0, part)
    assert sealed(shelves[0]) == sealed(shelves[1])


def test_teacher_that_is_not_deterministic_is_logged_and_its_first_answer_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = shelf_in(tmp_path)
    first, second = LiveView(shelf, 0), LiveView(shelf, 0)
    append(first, some(20))
    append(second, some(20)[:3], teacher=1)
    first.close()
    second.close()
    assert "teacher 'wide' is not deterministic: 3 answers in the bank's shelf" in caplog.text
    assert intact_ids(shelf) == set(some(20).tolist())


@pytest.mark.slow
def test_sealer_that_dies_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    events = {"open", "os.rename", "os.remove", "fcntl.flock", "os.listdir", "os.scandir"}
    for moment in itertools.count(1):
        shelf = shelf_in(tmp_path / str(moment))
        fill(shelf, 0, some(40)[:10])
        write_and_die(shelf, 0, some(40)[10:30])
        write_and_die(shelf, 0, some(40)[20:])

        def die_at(shelf: Shelf = shelf, moment: int = moment) -> None:
            seen = 0

            def watch(event: str, arguments: object) -> None:
                nonlocal seen
                if event in events:
                    seen += 1
                if event in events and seen == moment:
                    os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(watch)
            assert seal(shelf, 0) == ""

        status = in_child(die_at)
        assert status in (0, -signal.SIGKILL)
        assert set(some(40)[:10].tolist()) <= intact_ids(shelf), "sealed before"
        assert intact_ids(shelf) == set(some(40).tolist())
        assert sorted(path.suffix for path in (shelf.folder / "view-0").iterdir()) == [
            "", ".sealed",
        ]  # fmt: skip
        if status == 0:
            break
    assert moment > 10, "there were moments to die at"


def _write_on_and_on(shelf: Shelf, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for view in itertools.cycle(range(2)):
        fresh = LiveView(shelf, view)
        for _ in range(int(rng.integers(1, 6))):
            append(fresh, rng.choice(SAMPLES, 30, replace=False).astype(np.int64), *shelf.columns)
        fresh.close()


def test_writers_that_are_killed_at_random_leave_the_bank_valid(tmp_path: Path) -> None:
    shelf = shelf_in(tmp_path, LOGITS, TAP)
    before: list[set[int]] = [set(), set()]
    # At least 25 times, and on a busy machine until there was time enough to store something.
    for seed in range(1000):
        if seed >= 25 and len(before[0]) > 300:
            break
        children = []
        for number in range(2):
            if (child := os.fork()) == 0:
                _write_on_and_on(shelf, 2 * seed + number)
            children.append(child)
        time.sleep(float(np.random.default_rng(seed).uniform(0.005, 0.06)))
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        for view in range(2):
            now = intact_ids(shelf, view)
            assert before[view] <= now
            before[view] = now
    assert len(before[0]) > 300


def test_what_a_killed_sealer_was_writing_is_deleted(tmp_path: Path) -> None:
    shelf = shelf_in(tmp_path)
    write_and_die(shelf, 0, some(5))
    (shelf.folder / "view-0" / ".tmp-0123").write_bytes(b"half")
    seal(shelf, 0)
    assert list((shelf.folder / "view-0").glob(".tmp-*")) == []


def test_full_disk_leaves_the_journals(tmp_path: Path) -> None:
    import resource

    shelf = shelf_in(tmp_path)
    fill(shelf, 0, ids_of(1))
    write_and_die(shelf, 0, some(400))

    def on_a_full_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
        assert "cannot be written (file too large)" in seal(shelf, 0)
        assert StoredView(shelf, 0).present(ids_of(1)).all()

    assert in_child(on_a_full_disk) == 0
    assert intact_ids(shelf) == set(some(400).tolist()) | {1}
