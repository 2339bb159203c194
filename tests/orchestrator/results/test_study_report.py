"""The report of a study goes to JSON and back, and names what it promises."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.results.study_report import STUDY, read_study, write_study
from tests.orchestrator.study_samples import study


def test_a_stored_report_comes_back_as_it_was(tmp_path: Path) -> None:
    paths = {"study.md": str(tmp_path / "study.md")}
    winners = tuple(
        replace(each, recipe=str(tmp_path / f"best-{each.trial}.yaml")) for each in study().winners
    )
    before = study(artifacts=paths, winners=winners)
    write_study(tmp_path, before)
    assert read_study(tmp_path) == before


def test_a_damaged_report_is_not_believed(tmp_path: Path) -> None:
    write_study(tmp_path, study())
    file = tmp_path / STUDY
    file.write_text(file.read_text().replace("0.95", "0.99"))
    with pytest.raises(ValueError, match="checksum"):
        read_study(tmp_path)


def test_the_json_has_the_promised_names() -> None:
    plain = study().to_json()
    assert {"name", "study", "outcome", "seconds", "trials", "front", "winners", "shared"} <= {
        *plain
    }
    trial = {"number", "state", "overrides", "scores", "seconds", "reason"}
    assert trial <= plain["trials"][0].keys()
    winner = {"trial", "overrides", "scores", "repeats", "test", "weights_sha256", "recipe"}
    for each in plain["winners"]:
        assert winner <= each.keys()
        assert {"mean", "sd"} <= each["repeats"]["accuracy"].keys()
        assert {"accuracy", "nll", "ece", "agreement"} <= each["test"].keys()
    assert plain["shared"] == {
        "teacher_forwards_computed": 120,
        "teacher_forwards_read": 4000,
        "stages_reused": 9,
    }


def test_the_best_come_first_and_keep_the_limits() -> None:
    assert [trial.number for trial in study().best_first] == [2, 0, 4]
    limited = study(limits={"parameters": 2500.0, "accuracy": 0.85})
    assert [trial.number for trial in limited.best_first] == [0]
    smallest = study(scores={"parameters": "minimize"})
    assert [trial.number for trial in smallest.best_first] == [0, 4, 2]
