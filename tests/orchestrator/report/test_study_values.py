"""Scores and what was drawn, in words."""

from __future__ import annotations

from orchestrator.report.study_values import drawn_text, score_text, short_names


def test_names_are_as_short_as_tells_them_apart() -> None:
    assert short_names(
        [
            "student.objective.soft_targets.weight",
            "student.objective.near.weight",
            "ensemble.temperature",
            "schedule",
            "schedule[by_one].path.0.hidden.0",
        ]
    ) == {
        "student.objective.soft_targets.weight": "soft_targets.weight",
        "student.objective.near.weight": "near.weight",
        "ensemble.temperature": "temperature",
        "schedule": "schedule",
        "schedule[by_one].path.0.hidden.0": "hidden.0",
    }


def test_what_was_drawn_is_a_line() -> None:
    params = {"a.width": 16, "a.lr": 0.0123456, "schedule": "direct"}
    assert drawn_text(params, short_names(params)) == "width 16, lr 0.0123, schedule direct"


def test_scores_have_their_units() -> None:
    assert score_text("accuracy", 0.95556) == "accuracy 95.56 %"
    assert score_text("parameters", 1210.0) == "1,210 parameters"
    assert score_text("latency_ms", 0.03125) == "latency 0.0312 ms"
