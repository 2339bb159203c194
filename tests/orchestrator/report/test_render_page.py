"""The page holds the tables and the pictures, and the same report gives the same page."""

from __future__ import annotations

import re

import numpy as np
import pytest
from matplotlib.image import imread

from orchestrator.formatting import Grid
from orchestrator.report.compare_seeds import repeat_report
from orchestrator.report.render_page import grid_markdown, write_page
from orchestrator.results.finished_run import FinishedRun, read_finished_run
from orchestrator.results.run_report import RunReport
from tests.orchestrator.report_samples import report, teacher_weights, terms


def full_report():
    remarks = ("<b> is *not* markup",)
    return report(teacher_weights=teacher_weights(), terms=terms(), remarks=remarks)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    return folder, write_page(FinishedRun((full_report(),), None, folder)).report


def test_the_page_has_its_tables_and_its_pictures_beside_it(written):
    folder, complete = written
    text = (folder / "report.md").read_text()
    for name in ("teacher wide", "ensemble", "student", "untaught", "label\\_smoothing"):
        assert re.search(rf"^\| {re.escape(name)} \|", text, re.MULTILINE), name
    pictures = re.findall(r"^!\[[^\]]+\]\(([^)]+)\)\n\n\*[A-Z].+\.\*$", text, re.MULTILINE)
    assert pictures == [
        "learning_curves.png", "mean_soft_targets.png", "teacher_weights.png", "loss_terms.png",
        "accuracy_and_size.png", "stages.png",
    ], "each with a caption"  # fmt: skip
    for picture in pictures:
        pixels = imread(folder / picture)
        assert min(pixels.shape[:2]) > 300
        assert len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)) > 20
    assert complete.artifacts.keys() == {"report.md", "report.json", *pictures}
    assert "this closes 39 % of the gap" in text
    assert "\\<b> is \\*not\\* markup" in text


def test_a_report_without_weights_and_terms_has_four_pictures(tmp_path):
    complete = write_page(FinishedRun((report(),), None, tmp_path)).report
    pictures = {name for name in complete.artifacts if name.endswith(".png")}
    assert pictures == {
        "learning_curves.png", "mean_soft_targets.png", "accuracy_and_size.png", "stages.png",
    }  # fmt: skip


def test_the_report_is_written_before_the_pictures(tmp_path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("orchestrator.report.plots.draw_pictures", killed)
    finished = FinishedRun((full_report(),), None, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        write_page(finished)
    assert read_finished_run(tmp_path).report.student == finished.report.student
    assert (tmp_path / "report.md").read_text().startswith("# ")


def test_a_picture_that_fails_is_named_in_the_report(tmp_path, monkeypatch):
    sentence = "The picture 'x.png' could not be drawn (ValueError: no)."
    monkeypatch.setattr("orchestrator.report.plots.draw_pictures", lambda *_: ((), (sentence,)))
    complete = write_page(FinishedRun((full_report(),), None, tmp_path)).report
    assert complete.remarks[-1] == sentence
    assert read_finished_run(tmp_path).report.remarks[-1] == sentence
    assert "could not be drawn" in (tmp_path / "report.md").read_text()
    assert complete.artifacts.keys() == {"report.md", "report.json"}


def test_every_table_has_as_many_cells_in_each_line(written):
    tables = re.findall(r"(?:^\|.*\|\n)+", (written[0] / "report.md").read_text(), re.MULTILINE)
    assert len(tables) == 5
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_the_reports_json_lies_beside_the_page(written):
    folder, complete = written
    assert RunReport.from_json((folder / "report.json").read_bytes()) == complete


def test_the_same_report_writes_the_same_bytes(tmp_path, written):
    write_page(FinishedRun((full_report(),), None, tmp_path))
    folder, _ = written
    again = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    stored = first.pop("report.json"), again.pop("report.json")
    assert first.pop("report.json.sha256") != again.pop("report.json.sha256")
    assert first == again
    assert stored[0].replace(bytes(folder), b"") == stored[1].replace(bytes(tmp_path), b"")


def test_a_run_that_ended_early_still_has_a_page(tmp_path):
    bare = RunReport("digits", "0" * 64, "failed", 1.0, None)
    complete = write_page(FinishedRun((bare,), None, tmp_path)).report
    assert set(complete.artifacts) == {"report.md", "report.json"}
    assert "before its student was trained" in (tmp_path / "report.md").read_text()


def test_names_cannot_break_a_table():
    grid = Grid("t", ("a", "b"), (("x|y", "1*"),))
    assert grid_markdown(grid).splitlines()[-1] == "| x\\|y | 1\\* |"


def test_the_comparison_over_seeds_is_on_the_page_and_can_be_read_again(tmp_path):
    reports = (report(0.92, 0.88), report(0.93, 0.90))
    complete = write_page(FinishedRun(reports, repeat_report(reports), tmp_path))
    text = (tmp_path / "report.md").read_text()
    assert "over 2 seeds" in text
    assert re.search(r"^\| untaught \|.*\+3\.50 \|.*\| 2 of 2 \|$", text, re.MULTILINE)
    assert read_finished_run(tmp_path) == complete
    assert complete.report.artifacts["repeats.json"] == str(tmp_path / "repeats.json")
