"""Claims about ``stillhouse clean``: what is removable, what is always kept, and when it asks."""

import errno
import fcntl
import json
from pathlib import Path
from threading import Event

import pytest

from orchestrator.home import cleaning
from orchestrator.home.cleaning import delete, disk_usage, plan_cleaning
from orchestrator.home.store import Store
from tests.orchestrator.command_line import stillhouse
from tests.orchestrator.stored_homes import add_run, add_stage, digest

NAMED, NAMED_EARLY, FORGOTTEN, FORGOTTEN_EARLY = (digest(number) for number in range(4))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A finished and an unfinished stage that a run names, such stages that none names, caches."""
    home = tmp_path / "home"
    add_run(home, stages=(NAMED, NAMED_EARLY))
    for finished, unfinished in ((NAMED, NAMED_EARLY), (FORGOTTEN, FORGOTTEN_EARLY)):
        add_stage(home, finished)
        add_stage(home, unfinished, finished=False)
    pictures = home / "cache" / "transfer_sets" / digest(9)
    pictures.mkdir(parents=True)
    (pictures / "inputs.npy").write_bytes(b"p" * 500)
    (home / "cache" / "file_hashes").mkdir()
    (home / "cache" / "file_hashes" / "a.json").write_bytes(b"h" * 70)
    (home / "mlflow.db").write_bytes(b"m" * 30)
    return home


def removable(home: Path, *, everything: bool = False) -> set[tuple[str, str]]:
    items = plan_cleaning(home, everything=everything).removable
    return {(item.kind, str(item.path.relative_to(home.resolve()))) for item in items}


def kept(home: Path, *, everything: bool = False) -> dict[str, str]:
    return {each.path.name: each.reason for each in plan_cleaning(home, everything=everything).kept}


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.name != ".lock"}


def test_unneeded_stages_checkpoints_of_finished_ones_and_caches_are_removable(home: Path) -> None:
    assert removable(home) == {
        ("stages", f"stages/{FORGOTTEN}"),
        ("stages", f"stages/{FORGOTTEN_EARLY}"),
        ("checkpoints", f"stages/{NAMED}/checkpoints"),
        ("cache", f"cache/transfer_sets/{digest(9)}"),
        ("cache", "cache/file_hashes"),
    }
    assert kept(home) == {}


def test_an_interrupted_training_for_extra_outputs_counts_as_checkpoints(home: Path) -> None:
    again = home / "stages" / NAMED / "again"
    again.mkdir()
    (again / "LATEST").write_bytes(b"a" * 100)
    anchor = home / "stages" / NAMED / "extras" / "anchor.5"
    anchor.mkdir(parents=True)
    found = plan_cleaning(home, everything=False).removable
    [item] = [each for each in found if each.path.name == "again"]
    assert (item.kind, item.reason) == ("checkpoints", "its first training is finished")
    [usage] = [each for each in disk_usage(home, found) if each.kind == "checkpoints"]
    assert (usage.removable, usage.removable_bytes >= 100) == (2, True)
    delete(home, found, everything=False)
    assert not again.exists()
    assert anchor.is_dir()


def test_all_means_all_stages(home: Path) -> None:
    stages = {path for kind, path in removable(home, everything=True) if kind == "stages"}
    assert stages == {f"stages/{digest(number)}" for number in range(4)}
    assert {kind for kind, _ in removable(home, everything=True)} == {"stages", "cache"}


def test_clean_deletes_just_that(home: Path) -> None:
    before = files(home)
    result = stillhouse(home, "clean", "--yes")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.endswith("Deleted 5 folders.\n")
    gone = {FORGOTTEN, FORGOTTEN_EARLY, f"{NAMED}/checkpoints", digest(9), "file_hashes"}
    assert files(home) == {path for path in before if not any(each in path for each in gone)}
    assert (home / "stages" / NAMED / "outcome" / "model.safetensors").is_file()
    assert (home / "stages" / NAMED_EARLY / "checkpoints" / "LATEST").is_file()
    assert (home / "stages" / f"{NAMED}.lock").is_file()
    again = stillhouse(home, "clean")
    assert again.exit_code == 0
    assert again.stdout.endswith("There is nothing to delete.\n")


def test_sizes_are_those_of_the_files(home: Path) -> None:
    by_kind = {
        each.kind: each
        for each in disk_usage(home, plan_cleaning(home, everything=False).removable)
    }
    assert by_kind["checkpoints"].bytes == 2 * (1000 + len("step-000010"))
    assert by_kind["checkpoints"].removable_bytes == 1000 + len("step-000010")
    assert (by_kind["cache"].bytes, by_kind["cache"].removable_bytes) == (570, 570)
    assert by_kind["stages"].removable == 2
    on_disk = sum(path.stat().st_size for path in home.rglob("*") if path.is_file())
    assert sum(by_kind[kind].bytes for kind in ("stages", "cache", "rest")) == on_disk


def test_stage_that_a_process_works_on_stays(home: Path) -> None:
    with Store(home).lock(FORGOTTEN_EARLY, lambda: None, Event()):
        assert kept(home)[FORGOTTEN_EARLY] == "a process is working on it"
        result = stillhouse(home, "clean", "--all", "--yes")
        assert f"{FORGOTTEN_EARLY}' because a process is working on it." in result.stdout
        assert (home / "stages" / FORGOTTEN_EARLY / "checkpoints" / "LATEST").is_file()
        assert not (home / "stages" / FORGOTTEN).exists()
    stillhouse(home, "clean", "--all", "--yes")
    assert not (home / "stages" / FORGOTTEN_EARLY).exists()


def test_checkpoints_of_a_stage_that_is_locked_stay(home: Path) -> None:
    with Store(home).lock(NAMED, lambda: None, Event()):
        assert ("checkpoints", f"stages/{NAMED}/checkpoints") not in removable(home)


def test_stage_is_locked_while_it_is_deleted(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    rename = Path.replace

    def watching(path: Path, target: Path) -> Path:
        if path.name == FORGOTTEN:
            seen.append(cleaning.is_locked(path.with_name(f"{FORGOTTEN}.lock")))
        return rename(path, target)

    monkeypatch.setattr(Path, "replace", watching)
    stillhouse(home, "clean", "--yes")
    assert seen == [True]


def test_what_becomes_wanted_while_the_user_thinks_stays(home: Path) -> None:
    agreed = plan_cleaning(home, everything=False).removable
    add_run(home, "later", "77" * 16, stages=(FORGOTTEN,))
    with Store(home).lock(FORGOTTEN_EARLY, lambda: None, Event()):
        gone, left = delete(home, agreed, everything=False)
    assert {each.path.name for each in left} == {FORGOTTEN, FORGOTTEN_EARLY}
    assert len(gone) == 3
    assert {FORGOTTEN, FORGOTTEN_EARLY} <= {path.name for path in (home / "stages").iterdir()}


def test_stages_and_caches_of_a_run_running_stay_even_with_all(home: Path) -> None:
    with next((home / "runs").iterdir()).joinpath(".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        reasons = kept(home, everything=True)
        assert set(reasons) == {NAMED, NAMED_EARLY, "cache"}
        assert reasons[NAMED] == "digits@0123456789ab is running and may need it"
    assert kept(home, everything=True) == {}


def test_checkpoints_stay_where_the_outcome_is_damaged(home: Path) -> None:
    (home / "stages" / NAMED / "outcome" / "model.safetensors").write_bytes(b"torn")
    result = stillhouse(home, "clean", "--yes")
    assert "the stage's outcome is damaged" in result.stdout
    assert (home / "stages" / NAMED / "checkpoints" / "LATEST").is_file()
    assert not (home / "stages" / FORGOTTEN).exists()


def test_pictures_that_a_process_prepares_stay(home: Path) -> None:
    with (home / "cache" / "transfer_sets" / f"{digest(9)}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert kept(home) == {digest(9): "a process is preparing it"}


def test_what_a_measurement_left_goes_unless_one_is_running(home: Path) -> None:
    (home / "cache" / "measuring" / "tmp1").mkdir(parents=True)
    with (home / "cache" / "measuring.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert kept(home) == {"measuring": "a process is measuring there"}
    assert stillhouse(home, "clean", "--yes").exit_code == 0
    assert not (home / "cache" / "measuring").exists()


def test_what_is_no_stage_and_no_cache_is_never_touched(home: Path) -> None:
    for place in ("stages/notes", "cache/transfer_sets/mine", "cache/mine", "bank", "session"):
        (home / place).mkdir()
        (home / place / "file").write_text("mine")
    stillhouse(home, "clean", "--all", "--yes")
    for place in ("stages/notes", "cache/transfer_sets/mine", "cache/mine", "bank", "session"):
        assert (home / place / "file").is_file()
    assert (home / "mlflow.db").is_file()
    assert len(list(home.glob("runs/*/report.json"))) == 1


@pytest.mark.parametrize(
    "link",
    [
        "stages",
        f"stages/{FORGOTTEN}",
        f"stages/{NAMED}/checkpoints",
        f"stages/{FORGOTTEN}/checkpoints",
        "cache",
        "cache/transfer_sets",
        f"cache/transfer_sets/{digest(9)}",
        "cache/file_hashes",
    ],
)
@pytest.mark.parametrize("options", [(), ("--all",)])
def test_nothing_behind_a_link_is_deleted(
    home: Path, tmp_path: Path, link: str, options: tuple[str, ...]
) -> None:
    (home / link).rename(tmp_path / "outside")
    (home / link).symlink_to(tmp_path / "outside", target_is_directory=True)
    (tmp_path / "outside" / "large").write_bytes(b"l" * 1_000_000)
    before = files(tmp_path / "outside")
    assert sum(usage.bytes for usage in disk_usage(home, ())) < 100_000
    result = stillhouse(home, "clean", "--yes", *options)
    assert result.exit_code == 0
    assert files(tmp_path / "outside") == before


def test_home_that_is_a_link_itself_is_cleaned(home: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(home, target_is_directory=True)
    stillhouse(tmp_path / "link", "clean", "--yes")
    assert not (home / "stages" / FORGOTTEN).exists()
    assert (home / "stages" / NAMED / "outcome").is_dir()


def test_next_clean_finishes_one_that_was_broken_off(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(folder: Path) -> None:
        if folder.exists():
            raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(cleaning, "_delete", break_off)
        assert stillhouse(home, "clean", "--yes").exit_code == 130
    assert Store(home).folder(FORGOTTEN).exists() is False
    assert {kind for kind, _ in removable(home)} == {"leftovers"}
    assert len(removable(home)) == 5
    assert stillhouse(home, "clean", "--yes").exit_code == 0
    assert not list(home.rglob(".removed-*"))


def test_without_a_terminal_nothing_is_deleted_unless_yes_is_given(home: Path) -> None:
    before = files(home)
    result = stillhouse(home, "clean", typed="y\n")
    assert result.exit_code == 2
    assert result.stderr == (
        "`clean` would delete 5 folders (4.9 kB) and asks before it does, but standard input is "
        "not a terminal; give --yes to delete, or --dry-run to list only\n"
    )
    assert files(home) == before


@pytest.mark.parametrize(("answer", "left"), [("y\n", 2), ("n\n", 4), ("\n", 4)])
def test_at_a_terminal_the_answer_decides(
    home: Path, monkeypatch: pytest.MonkeyPatch, answer: str, left: int
) -> None:
    monkeypatch.setattr("orchestrator.commands.clean._is_terminal", lambda: True)
    result = stillhouse(home, "clean", typed=answer)
    assert result.exit_code == 0
    assert "Delete 5 folders (4.9 kB)? [y/N]" in result.stderr
    assert len(Store(home).stages()) == left


def test_end_of_input_instead_of_an_answer_interrupts(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.commands.clean._is_terminal", lambda: True)
    assert stillhouse(home, "clean").exit_code == 130
    assert len(Store(home).stages()) == 4


def test_dry_run_says_what_could_go_and_writes_nothing(home: Path) -> None:
    before = {path: path.lstat().st_mtime_ns for path in home.rglob("*")}
    result = stillhouse(home, "clean", "--dry-run")
    assert result.exit_code == 0
    assert "in 2" in result.stdout
    assert result.stdout.endswith("Nothing was deleted.\n")
    assert {path: path.lstat().st_mtime_ns for path in home.rglob("*")} == before
    refused = stillhouse(home, "clean", "--dry-run", "--yes")
    assert (refused.exit_code, "give one" in refused.stderr) == (2, True)


def test_clean_as_json_is_one_object_alone(home: Path) -> None:
    looked = json.loads(stillhouse(home, "clean", "--dry-run", "--json").stdout)
    assert looked["deleted"] == []
    assert {each["kind"] for each in looked["removable"]} == {"stages", "checkpoints", "cache"}
    assert {each["kind"] for each in looked["stored"]} == {
        "stages", "checkpoints", "cache", "rest",
    }  # fmt: skip
    done = json.loads(stillhouse(home, "clean", "--yes", "--json").stdout)
    assert sorted(done["deleted"]) == sorted(each["path"] for each in looked["removable"])


def test_damaged_report_is_named_since_its_stages_are_not_kept(home: Path) -> None:
    next(home.glob("runs/*/report.json")).write_text("{}")
    result = stillhouse(home, "clean", "--dry-run")
    assert "is damaged, so its stages are not kept" in result.stderr
    assert ("stages", f"stages/{NAMED}") in removable(home)


def test_home_that_is_not_there_has_nothing_to_clean(tmp_path: Path) -> None:
    result = stillhouse(tmp_path / "absent", "clean", "--yes")
    assert result.exit_code == 0
    assert result.stdout.endswith("There is nothing to delete.\n")
    assert not (tmp_path / "absent").exists()


def test_folder_that_cannot_be_deleted_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, target: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "replace", refuse)
    result = stillhouse(home, "clean", "--yes")
    assert result.exit_code == 2
    assert "cannot be used: permission denied" in result.stderr
    assert "Traceback" not in result.stderr
