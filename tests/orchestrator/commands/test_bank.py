"""Claims about ``stillhouse bank``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from orchestrator.home.cleaning import disk_usage
from teachers.bank.inventory import stored_shelves
from teachers.bank.writer import LiveView
from tests.orchestrator.command_line import answers_sooner_than_torch_is_imported, stillhouse
from tests.teachers.bank.shelves import LOGITS, SAMPLES, TAP, append, fill, flip, shelf_in, some

CONFIG = {"precision": "bf16", "channels_last": True, "compiled": False, "forward_batch": 128}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Teacher wide with two views, and teacher deep with one, of 100 answers each."""
    wide = shelf_in(tmp_path, LOGITS, TAP, inference=CONFIG, precision="auto")
    (wide.folder / "manner.json").write_text(json.dumps(CONFIG))
    for view in range(2):
        fill(wide, view, some(100))
    deep = shelf_in(tmp_path, teacher="deep", model={"kind": "resnet_cifar"}, precision="fp32")
    fill(deep, 0, some(100))
    for path in deep.folder.rglob("*.sealed"):
        os.utime(path, (1_790_000_000, 1_790_000_000))
    return tmp_path


def files(home: Path) -> list[Path]:
    return sorted(home.glob("bank/*/view-*/*.sealed"))


def printed_object(home: Path, *arguments: str) -> dict[str, object]:
    result = stillhouse(home, "bank", *arguments, "--json")
    assert result.stderr == ""
    printed: dict[str, object] = json.loads(result.stdout)
    return printed


@pytest.mark.parametrize("arguments", [(), ("list",)])
def test_bank_lists_whose_answers_are_stored(home: Path, arguments: tuple[str, ...]) -> None:
    result = stillhouse(home, "bank", *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [line.split() for line in result.stdout.splitlines()]
    (deep,) = (line[2:] for line in lines if line and line[0] == "deep")
    assert deep == ["resnet_cifar,", "fp32:", "-", "1", "100", "2.2", "kB", "2026-09-21"]
    (wide,) = (line[2:] for line in lines if line and line[0] == "wide")
    assert wide[:8] == ["mlp,", "auto:", "bf16", "channels-last", "2", "200", "8.0", "kB"]
    assert result.stdout.endswith("In all: 10.2 kB\n")


def test_list_as_json_has_all_of_a_shelf(home: Path) -> None:
    listed = printed_object(home)
    deep, wide = listed["shelves"]  # type: ignore[misc]
    assert listed["bytes"] == sum(path.stat().st_size for path in files(home))
    assert deep["used"] == "2026-09-21T14:13:20+00:00"
    assert (wide["model"], wide["precision"], wide["inference"]) == ("mlp", "auto", CONFIG)
    assert (wide["views"], wide["answers"]) == (2, 200)
    assert Path(wide["folder"]).name == wide["digest"]


def test_size_is_that_of_the_files(home: Path) -> None:
    sized = printed_object(home, "size")
    on_disk = sum(path.stat().st_size for path in files(home))
    assert sized["bytes"] == on_disk
    assert list(sized["teachers"]) == ["deep", "wide"]  # type: ignore[call-overload]
    assert stillhouse(home, "bank", "size").stdout.endswith("In all: 10.2 kB\n")


def test_whole_bank_is_verified(home: Path) -> None:
    result = stillhouse(home, "bank", "verify")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "100 answers in 1 file match their checksums.\n" in result.stdout
    assert "400 answers in 4 files match their checksums.\n" in result.stdout


@pytest.mark.parametrize(("at", "count"), [(-1, "100"), (3, "all"), (70, "all")])
def test_flipped_bit_is_found_and_nothing_is_changed(home: Path, at: int, count: str) -> None:
    damaged = files(home)[0]
    flip(damaged, at)
    before = {path: path.read_bytes() for path in files(home)}
    result = stillhouse(home, "bank", "verify")
    assert result.exit_code == 1
    assert f"Corrupt: {count} answers in '{damaged}'" in result.stdout
    assert result.stdout.endswith("computed again when it is needed.\n")
    assert {path: path.read_bytes() for path in files(home)} == before
    shelves: Any = printed_object(home, "verify")["shelves"]
    (corrupt,) = (one for each in shelves for one in each["corrupt"])
    assert (corrupt["path"], corrupt["answers"]) == (str(damaged), 100 if at == -1 else 0)


def test_file_that_was_put_there_by_hand_is_found(home: Path) -> None:
    wide = next(shelf for shelf in stored_shelves(home / "bank") if shelf.teacher == "wide")
    source = wide.folder / "view-0" / "logits.sealed"
    (wide.folder / "view-1" / "logits.sealed").write_bytes(source.read_bytes())
    result = stillhouse(home, "bank", "verify", "--teacher", "wide")
    assert result.exit_code == 1
    assert "belongs elsewhere" in result.stdout


def test_clear_says_what_it_freed(home: Path) -> None:
    on_disk = sum(path.stat().st_size for path in files(home))
    result = stillhouse(home, "bank", "clear")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "Deleted 2 shelves, which frees 10.2 kB.\n"
    assert on_disk > 10_000
    assert [path.name for path in (home / "bank").iterdir()] == ["format.json"]
    assert stillhouse(home, "bank").stdout == f"The bank in '{home}' is empty.\n"


@pytest.mark.parametrize("by", ["teacher", "digest"])
def test_one_teachers_answers_can_be_cleared(home: Path, by: str) -> None:
    deep, wide = stored_shelves(home / "bank")
    assert deep.teacher == "deep"
    word = "deep" if by == "teacher" else deep.digest[:12]
    assert printed_object(home, "clear", "--teacher", word)["cleared"] == [deep.digest]
    assert [shelf.digest for shelf in stored_shelves(home / "bank")] == [wide.digest]


def test_shelf_that_is_being_written_stays(home: Path) -> None:
    shelf = shelf_in(home, teacher="deep", model={"kind": "resnet_cifar"}, precision="fp32")
    writer = LiveView(shelf, 5)
    append(writer, some(SAMPLES))
    cleared = printed_object(home, "clear")
    assert cleared["held"] == [shelf.folder.name]
    assert shelf.folder.is_dir()
    writer.close()
    assert printed_object(home, "clear")["cleared"] == [shelf.folder.name]


def test_next_clear_finishes_one_that_was_broken_off(home: Path) -> None:
    wide = stored_shelves(home / "bank")[1]
    wide.folder.rename(wide.folder.with_name(f".removed-{wide.digest}"))
    assert [shelf.teacher for shelf in stored_shelves(home / "bank")] == ["deep"]
    assert printed_object(home, "clear")["freed_bytes"] > 10_000  # type: ignore[operator]
    assert not list((home / "bank").glob(".removed-*"))


def test_name_that_means_no_shelf_is_reported(home: Path) -> None:
    result = stillhouse(home, "bank", "clear", "--teacher", "wid")
    assert result.exit_code == 2
    assert result.stderr == (
        f"--teacher is 'wid', but the bank in '{home}' has no shelf of that name or digest; it "
        "has answers of: 'deep', 'wide'\n"
    )


@pytest.mark.parametrize("subcommand", [(), ("size",), ("verify",), ("clear",)])
def test_home_without_a_bank_has_an_empty_one(tmp_path: Path, subcommand: tuple[str, ...]) -> None:
    result = stillhouse(tmp_path / "absent", "bank", *subcommand)
    assert (result.exit_code, result.stderr) == (0, "")
    assert not (tmp_path / "absent").exists()


def test_damaged_about_does_not_hide_a_shelf(home: Path) -> None:
    deep = stored_shelves(home / "bank")[0]
    (deep.folder / "about.json").write_text("{")
    assert "?" in stillhouse(home, "bank").stdout
    assert printed_object(home, "clear", "--teacher", deep.digest)["cleared"] == [deep.digest]


def test_clean_counts_the_bank_in(home: Path) -> None:
    by_kind = {each.kind: each for each in disk_usage(home, ())}
    in_bank = sum(path.stat().st_size for path in (home / "bank").rglob("*") if path.is_file())
    assert (by_kind["bank"].bytes, by_kind["bank"].removable) == (in_bank, 0)
    assert by_kind["rest"].bytes == 0
    assert "`stillhouse bank clear` deletes it" in stillhouse(home, "clean", "--dry-run").stdout


def test_bank_answers_at_once_without_frameworks(home: Path) -> None:
    assert answers_sooner_than_torch_is_imported(home, "bank")
