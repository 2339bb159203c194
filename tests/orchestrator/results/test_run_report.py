"""A report goes to JSON and back, and names its figures for the tracker."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.results.run_report import FORMAT, PartScores, RunReport, ensemble_report
from orchestrator.results.teaching_report import (
    MEASURED,
    Prediction,
    TeachingReport,
    gradient_shares,
    read_prediction,
)
from tests.orchestrator.report_samples import (
    model,
    report,
    soft_targets,
    teacher_weights,
    teaching,
    terms,
)


def test_a_report_comes_back_from_its_json_as_it_was():
    before = report(
        omitted=(3,),
        artifacts={"report.md": "x/report.md"},
        teaching=teaching(),
        teacher_weights=teacher_weights(),
        terms=terms(),
        remarks=("Noise is on the answers.",),
    )
    assert RunReport.from_json(json.dumps(before.to_json())) == before


def test_the_json_has_the_promised_names():
    plain = report().to_json()
    promised = {"name", "recipe_digest", "outcome", "seconds", "student", "untaught", "students"}
    promised |= {"teachers", "stages", "artifacts"}
    assert promised <= plain.keys()
    assert {"name", "digest", "ran", "seconds", "needs"} == plain["stages"][0].keys()
    for one in (plain["student"], plain["untaught"], *plain["teachers"].values()):
        for part in ("test", "validation"):
            assert {"accuracy", "nll", "ece", "agreement"} <= one[part].keys()
        assert {"parameters", "macs", "bytes", "weights_sha256"} <= one.keys()
        assert one["latency_ms"].keys() == {"1", "64"}
    assert plain["untaught"]["test"]["accuracy"] == 0.8889


def test_the_json_has_what_follows_from_the_teachings_figures():
    plain = report(teaching=teaching()).to_json()["teaching"]
    assert plain["of_untaught"] == pytest.approx(0.9375)
    assert plain["teachers"]["wide"]["speedup"] == pytest.approx(2.6)
    assert plain["teachers"]["cnn"]["speedup"] is None


def test_a_run_without_controls_has_null_for_untaught():
    alone = replace(report(), untaught=None)
    assert alone.to_json()["untaught"] is None
    assert RunReport.from_json(json.dumps(alone.to_json())) == alone


@pytest.mark.parametrize("text", ["[]", "null", "not JSON", '{"name": "digits"}'])
def test_what_is_no_report_is_refused(text):
    with pytest.raises(ValueError):
        RunReport.from_json(text)
    with pytest.raises(ValueError, match="outcome"):
        RunReport.from_json(json.dumps({**report().to_json(), "outcome": "fine"}))


def test_a_report_of_an_older_version_is_read_as_far_as_its_names_are_the_same():
    plain = report(teaching=teaching(), terms=terms(), remarks=("A remark.",)).to_json()
    for name in ("format", "teaching", "teacher_weights", "terms", "remarks"):
        del plain[name]
    older = RunReport.from_json(json.dumps({**plain, "a_former_name": {"a": 1}}))
    assert older == replace(report(), format=1)
    assert report().format == FORMAT > older.format


def test_the_ensemble_costs_what_its_teachers_cost_together():
    ensemble = report().ensemble
    assert ensemble.parameters == 85002 + 21210 + 78042
    assert ensemble.latency_ms["64"] == pytest.approx(3 * 0.00071)
    assert ensemble.weights_sha256 is None
    assert ensemble.seen_training
    fair = ensemble_report("ensemble", [model("a", "teacher", 0.9)], PartScores(1, 0, 0), None)
    assert not fair.seen_training


def test_the_scores_for_the_tracker_name_model_part_and_figure():
    scores = report().scores()
    assert scores["student/test/accuracy"] == 0.9289
    assert scores["wide/validation/nll"] == 0.35
    assert "ensemble/test/agreement" not in scores
    assert all(math.isfinite(value) for value in scores.values())


def test_the_tracker_gets_speeds_teachers_and_weights_by_name():
    scores = report(teaching=teaching(), teacher_weights=teacher_weights()).scores()
    assert scores["teaching/student/samples_per_second"] == 1500.0
    assert scores["teaching/of_untaught"] == pytest.approx(0.9375)
    assert scores["teaching/wide/speedup"] == pytest.approx(2.6)
    assert "teaching/cnn/speedup" not in scores
    assert TeachingReport().scores() == {}
    assert scores["teacher_weights/target_changed"] == pytest.approx(0.31)
    assert scores["teacher_weights/deep"] == pytest.approx(0.625)


@pytest.mark.parametrize("absent", ["student", "untaught"])
def test_a_speed_that_is_not_known_is_compared_with_none(absent):
    assert teaching(**{absent: None}).of_untaught is None


def test_a_prediction_is_read_from_what_was_stored_before_the_run(tmp_path: Path):
    stages = [
        {"name": "student", "digest": "ab", "seconds": 8.0, "samples_per_second": 1550.0},
        {"name": "controls.untaught", "digest": "cd", "seconds": 2.0, "samples_per_second": None},
    ]
    stored = {"seconds": 9.0, "stages": stages, "bank": {"bytes": 29}, "cores": 2}
    (tmp_path / MEASURED).write_text(json.dumps(stored))
    seconds = {"student": 8.0, "controls.untaught": 2.0}
    assert read_prediction(tmp_path, "ab") == Prediction(9.0, 1550.0, seconds, 29)
    (tmp_path / MEASURED).write_text(json.dumps({**stored, "bank": None}))
    assert read_prediction(tmp_path, "ef") == Prediction(9.0, None, seconds, None)


@pytest.mark.parametrize("text", [None, "{", "[]", "{}", '{"seconds": "x", "stages": []}'])
def test_a_damaged_prediction_counts_as_none(tmp_path: Path, text: str | None):
    if text is not None:
        (tmp_path / MEASURED).write_text(text)
    assert read_prediction(tmp_path, "ab") is None


def test_shares_are_those_of_the_sum_of_the_gradients():
    shares = gradient_shares(terms(), 0)
    assert shares == pytest.approx({"task": 2 / 3, "soft_targets": 0.0, "deep_hint": 1 / 3})
    assert gradient_shares(terms(), -1)["task"] == 0.0
    unknown = {name: replace(term, gradients=(None,)) for name, term in terms().items()}
    assert gradient_shares(unknown, 0) == {}


def test_the_sample_is_a_distribution():
    assert all(sum(row) == pytest.approx(1) for row in soft_targets().mean)
