"""One study of a few trials in this process, which the tests of this folder look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import stillhouse
from orchestrator.results.study_report import StudyReport
from tests import small

SEARCH = {
    "trials": 5,
    "parallel": 2,
    "repeats": 2,
    "scores": {"accuracy": "maximize", "parameters": "minimize"},
    "space": {
        "student.model.hidden": {"list": {"int": [4, 16], "step": 4}, "length": [1, 1]},
        "ensemble.temperature": {"float": [2.0, 8.0]},
        "student.objective.soft_targets.weight": {"float": [0.0, 1.0]},
        "student.objective.task.weight": {
            "complement": "student.objective.soft_targets.weight"
        },
    },
}  # fmt: skip


def study_recipe() -> dict[str, Any]:
    """The small recipe without a hint, whose teacher and space are in this process."""
    recipe = small.recipe()
    recipe["name"] = "searched"
    del recipe["student"]["objective"]["near"]
    recipe["student"]["engine"] = {"kind": "torch"}
    for teacher in recipe["teachers"].values():
        teacher["engine"] = {"kind": "torch"}
    return {**recipe, "cluster": {"mode": "in_process"}, "search": SEARCH}


@dataclass(frozen=True)
class SmallStudy:
    """A study that is done: its recipe's file, its home, its report."""

    recipe: Path
    home: Path
    report: StudyReport

    @property
    def folder(self) -> Path:
        return self.home / "studies" / self.report.study


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory) -> SmallStudy:
    folder = tmp_path_factory.mktemp("study")
    recipe, home = small.written(folder, study_recipe()), folder / "home"
    report = stillhouse.search(stillhouse.load_recipe(recipe), home=home)
    return SmallStudy(recipe, home, report)
