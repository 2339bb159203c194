"""The reports of a run are stored in its folder and read again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.report.compare_seeds import repeat_report
from orchestrator.results.finished_run import (
    CHECKSUM,
    REPEATS,
    REPORT,
    FinishedRun,
    read_finished_run,
)
from tests.orchestrator.report_samples import report


def test_a_run_of_one_seed_is_read_again(tmp_path: Path) -> None:
    run = FinishedRun((report(),), None, tmp_path)
    run.write()
    assert read_finished_run(tmp_path) == run
    assert run.to_json() == report().to_json()
    assert {file.name for file in tmp_path.iterdir()} == {REPORT, CHECKSUM}


def test_a_run_of_several_seeds_is_read_again_with_its_comparison(tmp_path: Path) -> None:
    reports = (report(0.92, 0.88), report(0.93, 0.90))
    run = FinishedRun(reports, repeat_report(reports), tmp_path)
    run.write()
    assert read_finished_run(tmp_path) == run
    plain = run.to_json()
    assert plain["student"] == reports[0].to_json()["student"]
    assert plain["repeats"]["gains"]["untaught"]["wins"] == 2
    assert plain["reports"] == [each.to_json() for each in reports]


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"recipe": "digits"}', '{"repeats": {}, "reports": []}']
)
def test_a_damaged_comparison_is_refused(tmp_path: Path, text: str) -> None:
    FinishedRun((report(),), None, tmp_path).write()
    (tmp_path / REPEATS).write_text(text)
    with pytest.raises(ValueError):
        read_finished_run(tmp_path)


def test_an_absent_report_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_finished_run(tmp_path)
    (tmp_path / REPORT).write_text(json.dumps({"name": "digits"}))
    with pytest.raises(ValueError, match="recipe_digest"):
        read_finished_run(tmp_path)


def test_a_report_names_its_files_where_they_are_now(tmp_path: Path) -> None:
    before = tmp_path / "before"
    before.mkdir()
    own = replace(report(), artifacts={"report.md": str(before / "report.md")})
    FinishedRun((own, report(0.9)), None, before).write()
    moved = before.rename(tmp_path / "after")
    assert read_finished_run(moved).report.artifacts == {"report.md": str(moved / "report.md")}


def test_a_changed_digit_in_a_report_is_refused(tmp_path: Path) -> None:
    FinishedRun((report(0.92),), None, tmp_path).write()
    text = (tmp_path / REPORT).read_text()
    (tmp_path / REPORT).write_text(text.replace("0.92", "0.93", 1))
    with pytest.raises(ValueError, match="does not match its checksum"):
        read_finished_run(tmp_path)


def test_a_report_whose_writing_was_cut_short_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = report()
    FinishedRun((first,), None, tmp_path).write()

    def cut_short(path: Path, content: bytes) -> None:
        if path.name == CHECKSUM:
            raise KeyboardInterrupt
        path.write_bytes(content)

    monkeypatch.setattr("orchestrator.results.finished_run.write_atomically", cut_short)
    later = replace(first, seconds=first.seconds + 1)
    with pytest.raises(KeyboardInterrupt):
        FinishedRun((later,), None, tmp_path).write()
    assert read_finished_run(tmp_path).report == later
