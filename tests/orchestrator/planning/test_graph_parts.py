"""Claims about parts of a graph: what a stage needs, and the control that a graph may lack."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.planning.controls import untaught_stage
from tests import small

WITHOUT = "controls=[]"


def test_a_graph_up_to_a_stage_has_what_it_needs_and_no_more(tmp_path: Path) -> None:
    graph = small.planned(tmp_path)
    teacher, student = graph.stage("teachers.deep"), graph.stage("student")
    assert small.titles(graph.up_to(teacher).nodes) == ["teachers.deep"]
    assert small.titles(graph.up_to(student).nodes) == ["teachers.wide", "teachers.deep", "student"]


def test_a_graph_up_to_a_stage_that_it_lacks_ends_with_that_stage(tmp_path: Path) -> None:
    graph = small.planned(tmp_path, WITHOUT)
    assert small.titles(graph.up_to(untaught_stage(graph.stages)).nodes) == ["controls.untaught"]


@pytest.mark.parametrize("weighting", ["uniform", "adaptive"])
def test_the_untaught_control_is_that_of_the_recipe(tmp_path: Path, weighting: str) -> None:
    setting = f"ensemble.weighting={weighting}"
    asked = small.planned(tmp_path, setting).stage("controls.untaught")
    found = untaught_stage(small.planned(tmp_path, setting, WITHOUT).stages)
    assert found == asked
    assert found.digest == asked.digest
    assert not found.teachers
