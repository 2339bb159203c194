"""A file is whole or absent, whatever ends the writing."""

import os

import pytest

from students.durable_files import (
    atomic_writer,
    create_atomically,
    write_atomically,
    write_folder,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_as_a_whole_and_its_folder_is_made(tmp_path):
    path = tmp_path / "new" / "file.json"
    write_atomically(path, b"old")
    write_atomically(path, b"new content")
    assert path.read_bytes() == b"new content"
    assert names(path.parent) == ["file.json"]


def test_an_error_while_writing_leaves_the_old_content(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"old")
    with pytest.raises(ValueError, match="halfway"), atomic_writer(path) as file:
        file.write(b"half")
        raise ValueError("halfway")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_a_disk_that_fails_leaves_the_old_content(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_of_two_that_create_a_file_the_first_ones_content_stands(tmp_path):
    create_atomically(tmp_path / "file", b"first")
    create_atomically(tmp_path / "file", b"second")
    assert (tmp_path / "file").read_bytes() == b"first"
    assert names(tmp_path) == ["file"]


def test_a_folder_is_written_only_where_there_is_none(tmp_path):
    write_folder(tmp_path / "folder", {"a": b"1", "b": b"2"})
    assert {path.name: path.read_bytes() for path in (tmp_path / "folder").iterdir()} == {
        "a": b"1",
        "b": b"2",
    }
    with pytest.raises(FileExistsError):
        write_folder(tmp_path / "folder", {"a": b"3"})


def test_a_folder_in_the_place_of_a_file_is_moved_aside_with_what_is_in_it(tmp_path):
    (tmp_path / "file").mkdir()
    (tmp_path / "file" / "kept").write_text("words")
    write_atomically(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"
    [aside] = tmp_path.glob("file.damaged-*")
    assert (aside / "kept").read_text() == "words"
