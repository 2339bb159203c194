"""A study's page has its tables, its pictures and every trial."""

from __future__ import annotations

from pathlib import Path

from orchestrator.report.plot_study import study_drawings
from orchestrator.report.plots import save_pictures
from orchestrator.report.render_study_page import write_study_page
from orchestrator.results.study_report import read_study
from tests.orchestrator.study_samples import study


def test_the_page_names_the_pictures_that_lie_beside_it(tmp_path: Path) -> None:
    report = write_study_page(
        tmp_path, study(), lambda given: save_pictures(study_drawings(given), tmp_path)
    )
    page = (tmp_path / "study.md").read_text()
    assert "![Pareto front](front.png)" in page
    assert "pruned: dominated after epoch 2" in page
    assert {"study.md", "study.json", "best.yaml", "best-2.yaml", "front.png"} <= {
        *report.artifacts
    }
    assert read_study(tmp_path).artifacts == report.artifacts


def test_pictures_that_cannot_be_drawn_are_a_remark(tmp_path: Path) -> None:
    def draw(_: object) -> None:
        raise ImportError("no backend named x")

    report = write_study_page(tmp_path, study(), draw)  # type: ignore[arg-type]
    assert report.remarks == ("No picture could be drawn (ImportError: no backend named x).",)
    assert report.remarks[0] in (tmp_path / "study.md").read_text()
