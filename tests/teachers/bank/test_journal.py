"""A journal is read as far as it is whole, wherever it is cut off or corrupt."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from teachers.bank.journal import Journal, JournalTail
from teachers.bank.sealed_file import RowFormat
from tests.teachers.bank.shelves import LOGITS, SAMPLES, answers, flip, ids_of, some

FORMAT = RowFormat(bytes(range(32)), LOGITS.row_bytes, SAMPLES)


def journal_in(folder: Path) -> Journal:
    return Journal(folder, "logits", FORMAT)


def written(folder: Path, *batches: int) -> Path:
    """A journal with batches of so many answers, whose writer is dead."""
    journal, ids = journal_in(folder), some(sum(batches))
    for end, count in zip(np.cumsum(batches), batches, strict=True):
        part = ids[end - count : end]
        journal.append(part, LOGITS.encode(answers(part)))
    journal.close()
    return journal.path


def read(path: Path, **changed: object) -> list[int]:
    """The ids of all that is read; their answers are compared with what was written."""
    found: list[int] = []
    with closing(JournalTail(path, replace(FORMAT, **changed))) as tail:  # type: ignore[arg-type]
        for ids, offset in tail.records():
            rows = tail.rows(offset + np.arange(len(ids)) * LOGITS.row_bytes)
            assert (LOGITS.decode(rows) == answers(ids)).all()
            found.extend(ids.tolist())
    return found


def test_what_is_appended_is_read(tmp_path: Path) -> None:
    assert read(written(tmp_path, 3, 1, 5)) == some(9).tolist()


def test_reader_goes_on_behind_a_writer_that_lives(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    with closing(JournalTail(journal.path, FORMAT)) as tail:
        assert list(tail.records()) == []
        for ids in (ids_of(5, 3), ids_of(900)):
            offset = journal.append(ids, LOGITS.encode(answers(ids)))
            ((read_ids, read_offset),) = tail.records()
            assert (read_ids.tolist(), read_offset) == (ids.tolist(), offset)
            assert (LOGITS.decode(tail.rows(np.array([offset]))) == answers(ids[:1])).all()
    journal.close()


def test_wherever_a_journal_breaks_off_what_was_whole_is_read(tmp_path: Path) -> None:
    whole = written(tmp_path, 3, 2, 4)
    content = whole.read_bytes()
    ends = [48 + sum(16 + n * (8 + LOGITS.row_bytes) for n in (3, 2, 4)[:k]) for k in range(4)]
    assert ends[3] == len(content)
    for length in range(len(content) + 1):
        torn = tmp_path / "torn.journal"
        torn.write_bytes(content[:length])
        records = sum(length >= end for end in ends[1:])
        assert read(torn) == some(9).tolist()[: (0, 3, 5, 9)[records]], length


def test_wherever_a_byte_is_corrupt_nothing_wrong_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, 3, 2, 4)
    content = path.read_bytes()
    for at in range(len(content)):
        path.write_bytes(content)
        flip(path, at)
        found = read(path)
        assert set(found) < set(some(9).tolist()), at


def test_records_after_a_corrupt_one_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, 3, 2, 4)
    flip(path, 48 + 16 + 5)
    assert read(path) == some(9).tolist()[3:]


@pytest.mark.parametrize("tail", [b"\0" * 500, b"\xff" * 500, bytes(range(250))])
def test_what_a_failed_disk_left_behind_the_last_record_is_not_read(
    tmp_path: Path, tail: bytes
) -> None:
    path = written(tmp_path, 3)
    path.write_bytes(path.read_bytes() + tail)
    assert read(path) == some(3).tolist()


@pytest.mark.parametrize(
    "changed", [{"identity": bytes(32)}, {"row_bytes": LOGITS.row_bytes + 2}], ids=str
)
def test_journal_that_belongs_elsewhere_is_not_read(
    tmp_path: Path, changed: dict[str, object]
) -> None:
    assert read(written(tmp_path, 3), **changed) == []


def test_ids_that_the_transfer_set_does_not_have_are_not_read(tmp_path: Path) -> None:
    assert read(written(tmp_path, 3), samples=2) == []


def test_journal_is_locked_while_its_writer_lives(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    with closing(JournalTail(journal.path, FORMAT)) as tail:
        assert tail.try_lock() is False
        journal.close()
        assert tail.try_lock() is True
