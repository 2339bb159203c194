"""The page holds the tables and the pictures, and the same report gives the same page."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.image import imread

from orchestrator.formatting.table import Grid
from orchestrator.report.plots import dark_knowledge_figure, draw_pictures, sizes_figure
from orchestrator.report.render_page import grid_markdown, write_page
from orchestrator.report.repeats import RepeatReport, repeat_report
from orchestrator.results.run_report import DarkKnowledge, LearningCurve, RunReport
from tests.orchestrator.report_samples import dark_knowledge, model, report


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    return folder, write_page(report(), folder)


def test_the_page_has_its_tables_and_its_pictures_beside_it(written):
    folder, told = written
    text = (folder / "report.md").read_text()
    for name in ("teacher wide", "ensemble", "student", "untaught", "label\\_smoothing"):
        assert re.search(rf"^\| {re.escape(name)} \|", text, re.MULTILINE), name
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    assert pictures == ["learning_curves.png", "dark_knowledge.png", "accuracy_and_size.png"]
    for picture in pictures:
        pixels = imread(folder / picture)
        assert min(pixels.shape[:2]) > 300
        assert len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)) > 20
    assert told.artifacts.keys() == {"report.md", "report.json", *pictures}
    assert "closed 39 % of the gap" in text


def test_every_table_has_as_many_cells_in_each_line(written):
    tables = re.findall(r"(?:^\|.*\|\n)+", (written[0] / "report.md").read_text(), re.MULTILINE)
    assert len(tables) == 3
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_the_reports_json_lies_beside_the_page(written):
    folder, told = written
    assert RunReport.from_json((folder / "report.json").read_bytes()) == told


def test_the_same_report_writes_the_same_bytes(tmp_path, written):
    write_page(report(), tmp_path)
    folder, _ = written
    again = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    told = first.pop("report.json"), again.pop("report.json")
    assert first == again
    assert told[0].replace(bytes(folder), b"") == told[1].replace(bytes(tmp_path), b"")


def test_a_run_that_ended_early_still_has_a_page(tmp_path):
    bare = RunReport("digits", "0" * 64, "failed", 1.0, None)
    told = write_page(bare, tmp_path)
    assert set(told.artifacts) == {"report.md", "report.json"}
    assert "before its student was taught" in (tmp_path / "report.md").read_text()


def test_names_cannot_break_a_table():
    grid = Grid("t", ("a", "b"), (("x|y", "1*"),))
    assert grid_markdown(grid).splitlines()[-1] == "| x\\|y | 1\\* |"


def test_the_heat_map_shows_the_structure_off_the_diagonal():
    figure = dark_knowledge_figure(dark_knowledge())
    shown = figure.axes[0].images[0].get_array()
    assert shown.mask.diagonal().all()
    assert shown.mask.sum() == 10
    off = dark_knowledge().mean[2][7]
    assert shown[2, 7] == pytest.approx(off)
    norm = figure.axes[0].images[0].norm
    assert norm(off) > 1.5 * (off - norm.vmin) / (norm.vmax - norm.vmin)


@pytest.mark.parametrize(
    "mean",
    [((1.0, 0.0), (0.0, 1.0)), ((0.5, 0.5), (0.5, 0.5)), ((1.0,),), tuple([(0.01,) * 100] * 100)],
)
def test_odd_heat_maps_are_drawn(mean, tmp_path):
    knowledge = DarkKnowledge(tuple(f"class {n}" for n in range(len(mean))), 4.0, mean)
    empty = RunReport("digits", "0" * 64, "done", 1.0, None, dark_knowledge=knowledge)
    (path,) = draw_pictures(empty, tmp_path)
    assert path.stat().st_size > 2000


def test_one_model_and_one_epoch_are_drawn(tmp_path):
    lone = replace(
        RunReport("digits", "0" * 64, "done", 1.0, model("student", "student", 0.9)),
        curves=(LearningCurve("student", (1,), (0.5,), (1.0,)), LearningCurve("none", (), (), ())),
    )
    assert len(draw_pictures(lone, tmp_path)) == 2


def test_labels_of_models_of_one_size_do_not_write_over_each_other():
    models = [model(f"control {n}", "control", 0.9 + n / 10000) for n in range(4)]
    models.append(model("wide", "teacher", 0.99, 85000))
    figure = sizes_figure(models)
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == 5
    assert not any(a.overlaps(b) for n, a in enumerate(boxes) for b in boxes[:n])
    inside = figure.bbox
    assert all(inside.x0 <= box.x0 and box.x1 <= inside.x1 for box in boxes)


def test_what_several_seeds_say_is_on_the_page_and_can_be_read_again(tmp_path):
    seeds = repeat_report([report(0.92, 0.88), report(0.93, 0.90)])
    told = write_page(report(), tmp_path, seeds)
    text = (tmp_path / "report.md").read_text()
    assert "Over 2 seeds" in text
    assert re.search(r"^\| untaught \|.*\+3\.50 \|.*\| 2 of 2 \|$", text, re.MULTILINE)
    assert RepeatReport.from_json((tmp_path / "repeats.json").read_bytes()) == seeds
    assert told.artifacts["repeats.json"] == str(tmp_path / "repeats.json")
