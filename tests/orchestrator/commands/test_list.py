"""Claims about ``stillhouse list``."""

import fcntl
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.orchestrator.command_line import answers_sooner_than_torch_is_imported, stillhouse
from tests.orchestrator.report_samples import model
from tests.orchestrator.stored_homes import add_run, add_stage, add_study, digest


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """One run that is done, an older one that was interrupted; three stages."""
    add_run(tmp_path, "digits", "ab" * 16, age=3)
    add_run(tmp_path, "early", "cd" * 16, age=8, outcome="interrupted", student=None, untaught=None)
    add_stage(tmp_path, digest(1))
    add_stage(tmp_path, digest(2), finished=False)
    add_stage(tmp_path, digest(3), finished=False, checkpoints=False)
    return tmp_path


def test_list_shows_each_run_with_its_figures_newest_first(home: Path) -> None:
    result = stillhouse(home, "list")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [line.split() for line in result.stdout.splitlines() if "@" in line]
    assert [lines[0][0], *lines[0][3:]] == [
        "digits@abababababab",
        "done",
        "92.89",
        "88.89",
        "+4.00",
    ]
    assert [lines[1][0], *lines[1][3:]] == ["early@cdcdcdcdcdcd", "interrupted", "-", "-", "-"]
    assert lines[0][1:3] > lines[1][1:3]
    assert "Stages: 1 stored, 1 unfinished.\n" in result.stdout


def test_list_as_json_is_one_object_alone(home: Path) -> None:
    result = stillhouse(home, "list", "--json")
    printed = json.loads(result.stdout)
    assert printed["stages"] == {"stored": 1, "unfinished": 1}
    assert printed["unreadable"] == []
    first, second = printed["runs"]
    assert first["gain"] == pytest.approx(0.04)
    assert first["date"] == "2026-09-21T14:10:20+00:00"
    assert (first["outcome"], first["running"]) == ("done", False)
    assert (second["outcome"], second["student"], second["gain"]) == ("interrupted", None, None)


def test_run_that_some_process_holds_is_running(home: Path) -> None:
    with (home / "runs" / "early@cdcdcdcdcdcd" / ".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        printed = json.loads(stillhouse(home, "list", "--json").stdout)
        assert [run["running"] for run in printed["runs"]] == [False, True]
        assert "running   " in stillhouse(home, "list").stdout
    assert "running   " not in stillhouse(home, "list").stdout


def test_damaged_report_is_reported_beside_the_others(home: Path) -> None:
    (home / "runs" / "early@cdcdcdcdcdcd" / "report.json").write_text("not JSON")
    result = stillhouse(home, "list")
    assert result.exit_code == 0
    assert "digits@abababababab" in result.stdout
    assert result.stderr == "The report of 'early@cdcdcdcdcdcd' is damaged; run its recipe again.\n"


def test_home_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    result = stillhouse(tmp_path / "absent", "list")
    assert result.exit_code == 0
    assert "has no run" in result.stdout
    assert not (tmp_path / "absent").exists()


def test_studies_are_listed_apart_the_newest_first(home: Path) -> None:
    add_study(home, "digits", age=8, outcome="interrupted", asked=20)
    add_study(home, "digits-2")
    assert "digits-2" not in stillhouse(home, "list").stdout
    result = stillhouse(home, "list", "--studies")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [line.split("  ") for line in result.stdout.splitlines() if "of" in line]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert [cells[0][0], *cells[0][2:]] == [
        "digits-2", "done", "5 of 5", "accuracy 95.00 %, 3,000 parameters"
    ]  # fmt: skip
    assert cells[1][2:4] == ["interrupted", "5 of 20"]


def test_studies_as_json_have_their_best_trials_scores(home: Path) -> None:
    folder = add_study(home, "digits-2")
    (add_study(home, "broken") / "study.json").write_text("not JSON")
    with (folder / ".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        printed = json.loads(stillhouse(home, "list", "--studies", "--json").stdout)
    [study] = printed["studies"]
    assert (study["study"], study["name"], study["running"]) == ("digits-2", "digits", True)
    assert (study["trials"], study["asked"], study["front"]) == (5, 5, [0, 2])
    assert study["best"] == {"accuracy": 0.95, "parameters": 3000.0}
    assert [Path(each).name for each in printed["unreadable"]] == ["broken"]


def test_a_home_without_studies_says_so(home: Path) -> None:
    assert "has no study" in stillhouse(home, "list", "--studies").stdout


@pytest.mark.parametrize(
    "arguments",
    [("list",), ("list", "--studies"), ("report", "latest"), ("compare", "digits", "early")],
    ids=" ".join,
)
def test_looking_back_imports_no_framework_and_is_sooner_than_torch(
    home: Path, arguments: tuple[str, ...]
) -> None:
    assert answers_sooner_than_torch_is_imported(home, *arguments)


def test_run_without_control_has_a_student_and_no_gain(tmp_path: Path) -> None:
    student = replace(model("student", "student", 0.5), validation=None)
    add_run(tmp_path, untaught=None, student=student)
    [run] = json.loads(stillhouse(tmp_path, "list", "--json").stdout)["runs"]
    assert (run["student"], run["untaught"], run["gain"]) == (0.5, None, None)
