"""Claims about ``stillhouse report``."""

import json
from pathlib import Path

from orchestrator.report.compare_seeds import repeat_report
from orchestrator.results.finished_run import FinishedRun
from orchestrator.results.run_report import RunReport
from tests.orchestrator.command_line import stillhouse
from tests.orchestrator.report_samples import report
from tests.orchestrator.stored_homes import DIGEST, add_run


def test_report_prints_the_tables_and_where_page_and_pictures_lie(tmp_path: Path) -> None:
    made = add_run(tmp_path)
    folder = tmp_path / "runs" / made.title
    (folder / "report.md").write_text("page")
    (folder / "learning_curves.png").write_bytes(b"picture")
    result = stillhouse(tmp_path, "report", "digits")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("digits@0123456789ab: done in 51.2 s\n")
    assert "teacher wide" in result.stdout
    assert "4.0 points above the same student without teachers" in result.stdout
    assert result.stdout.endswith(f"Page and pictures (report.md, learning_curves.png): {folder}\n")


def test_report_as_json_is_what_was_stored(tmp_path: Path) -> None:
    made = add_run(tmp_path)
    result = stillhouse(tmp_path, "report", f"digits@{DIGEST[:5]}", "--json")
    assert RunReport.from_json(result.stdout) == made
    assert json.loads(result.stdout)["outcome"] == "done"


def test_report_of_an_interrupted_run_says_that_there_is_none_yet(tmp_path: Path) -> None:
    add_run(tmp_path, outcome="interrupted", student=None, teachers={}, ensemble=None,
            untaught=None, controls={})  # fmt: skip
    result = stillhouse(tmp_path, "report", "latest")
    assert result.exit_code == 0
    assert "The run ended (interrupted) before its student was trained." in result.stdout
    assert "Page and pictures (none yet)" in result.stdout


def test_unknown_run_ends_in_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    add_run(tmp_path)
    result = stillhouse(tmp_path, "report", "digit", "--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "`RUN` is 'digit', but no run is called that; did you mean `digits`?\n"
    )


def test_report_of_an_older_version_is_shown_with_a_remark(tmp_path: Path) -> None:
    made = add_run(tmp_path)
    file = tmp_path / "runs" / made.title / "report.json"
    plain = json.loads(file.read_text())
    del plain["format"]
    file.write_text(json.dumps(plain))
    (file.parent / "repeats.json").write_text('{"recipe": "digits", "repeats": 2}')
    result = stillhouse(tmp_path, "report", "digits")
    assert result.exit_code == 0
    assert "4.0 points above the same student without teachers" in result.stdout
    assert "An older version wrote this report" in result.stdout


def test_report_of_several_seeds_has_their_comparison(tmp_path: Path) -> None:
    reports = (report(0.92, 0.88), report(0.93, 0.90))
    folder = tmp_path / "runs" / reports[0].title
    folder.mkdir(parents=True)
    FinishedRun(reports, repeat_report(reports), folder).write()
    result = stillhouse(tmp_path, "report", "digits")
    assert "Test accuracy over 2 seeds" in result.stdout
    assert "(95 % CI " in " ".join(result.stdout.split()), "its lines are wrapped"
