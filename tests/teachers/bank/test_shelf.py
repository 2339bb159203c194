"""A shelf is where its `about` says, and a bank that cannot be used is one sentence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from students.json_records import read_json, write_json
from teachers.bank.shelf import (
    identity_of,
    prepare_shelf,
    read_about,
    read_inference_config,
    shelf_digest,
    shelves_of,
)
from teachers.errors import BankError
from tests.teachers.bank.shelves import about, in_child, shelf_in
from tests.teachers.bank.test_sealed_file import CHANGES

NOBODY = 65534


@pytest.mark.parametrize("changed", CHANGES, ids=lambda changed: next(iter(changed)))
def test_each_property_of_a_shelf_makes_another_shelf(changed: dict[str, object]) -> None:
    assert shelf_digest(about(**changed)) != shelf_digest(about())
    assert identity_of(about(**changed), {}) != identity_of(about(), {})


def test_another_inference_config_is_another_identity_in_the_same_folder() -> None:
    assert identity_of(about(), {"threads": 1}) != identity_of(about(), {"threads": 2})


def test_teacher_by_another_name_has_the_same_shelf(tmp_path: Path) -> None:
    assert shelf_in(tmp_path, teacher="other") == shelf_in(tmp_path)
    found = read_about(shelf_in(tmp_path).folder)
    assert found == about(teacher="other"), "the name of who stored first"


def test_order_of_keys_and_kind_of_lists_make_no_difference() -> None:
    one, two = {"a": (1, 2), "b": {"c": None}}, {"b": {"c": None}, "a": [1, 2]}
    assert shelf_digest(one) == shelf_digest(two)
    assert identity_of(one, two) == identity_of(two, one)


def test_shelf_is_prepared_once_and_says_what_it_is_about(tmp_path: Path) -> None:
    shelf = shelf_in(tmp_path)
    written = (shelf.folder / "about.json").stat().st_mtime_ns
    assert shelf_in(tmp_path) == shelf
    assert (shelf.folder / "about.json").stat().st_mtime_ns == written
    assert read_about(shelf.folder) == about()
    assert read_inference_config(shelf.folder) is None
    assert shelves_of(shelf.bank) == [shelf.folder]


def test_damaged_about_is_written_again(tmp_path: Path) -> None:
    shelf = shelf_in(tmp_path)
    (shelf.folder / "about.json").write_text('{"form')
    assert read_about(shelf.folder) is None
    assert read_about(shelf_in(tmp_path).folder) == about()


@pytest.mark.parametrize("file", ["format.json", "*/about.json"])
def test_bank_of_another_format_is_refused(tmp_path: Path, file: str) -> None:
    shelf = shelf_in(tmp_path)
    marked = next(shelf.bank.glob(file))
    write_json(marked, {**read_json(marked), "format": 99})
    with pytest.raises(
        BankError, match=r"is of format 99, but this version reads format 1; delete"
    ):
        shelf_in(tmp_path)


def refused(folder: Path, reason: str) -> None:
    with pytest.raises(BankError) as caught:
        prepare_shelf(folder, about())
    assert caught.value.path == "ensemble.bank"
    sentence = caught.value.message
    assert sentence.startswith(
        f"the bank in '{folder.parent}' cannot be used: {reason}; check its "
    )


def test_bank_without_rights_is_refused(tmp_path: Path) -> None:
    bank = tmp_path / "bank"
    bank.mkdir()

    def without_rights() -> None:
        if os.getuid() == 0:
            os.setuid(NOBODY)
        refused(bank / ("0" * 32), "permission denied")

    bank.chmod(0o500)
    status = in_child(without_rights)
    bank.chmod(0o700)
    assert status == 0


def test_bank_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bank").write_text("a file")
    refused(tmp_path / "bank" / ("0" * 32), "not a directory")
