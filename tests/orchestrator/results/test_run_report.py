"""A report goes to JSON and back, and its tables and sentences say what the figures say."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from orchestrator.report.render_summary import closing_sentence, notes
from orchestrator.report.render_tables import compare_grid, print_comparison, print_report, ratio
from orchestrator.results.run_report import PartScores, RunReport, ensemble_report, learning_curve
from students.storage.step_log import Row
from tests.orchestrator.report_samples import dark_knowledge, model, report


def drawn(function, value):
    console = Console(file=io.StringIO(), width=100)
    function(value, console)
    return console.file.getvalue()


def test_a_report_comes_back_from_its_json_as_it_was():
    before = report(omitted=(3,), artifacts={"report.md": "x/report.md"})
    assert RunReport.from_json(json.dumps(before.to_json())) == before


def test_the_json_has_the_promised_names():
    plain = report().to_json()
    promised = {"name", "recipe_digest", "outcome", "seconds", "student", "untaught", "students"}
    promised |= {"teachers", "stages", "artifacts"}
    assert promised <= plain.keys()
    assert {"name", "digest", "ran", "seconds"} == plain["stages"][0].keys()
    for one in (plain["student"], plain["untaught"], *plain["teachers"].values()):
        for part in ("test", "validation"):
            assert {"accuracy", "nll", "ece", "agreement"} <= one[part].keys()
        assert {"parameters", "macs", "bytes", "weights_sha256"} <= one.keys()
        assert one["latency_ms"].keys() == {"1", "64"}
    assert plain["untaught"]["test"]["accuracy"] == 0.8889


def test_a_run_without_controls_has_null_for_untaught():
    alone = replace(report(), untaught=None)
    assert alone.to_json()["untaught"] is None
    assert RunReport.from_json(json.dumps(alone.to_json())) == alone


def test_what_is_no_report_is_refused():
    with pytest.raises(ValueError, match="outcome"):
        RunReport.from_json(json.dumps({**report().to_json(), "outcome": "fine"}))


def test_the_ensemble_costs_what_its_teachers_cost_together():
    ensemble = report().ensemble
    assert ensemble.parameters == 85002 + 21210 + 78042
    assert ensemble.latency_ms["64"] == pytest.approx(3 * 0.00071)
    assert ensemble.weights_sha256 is None
    assert ensemble.seen_training
    blind = ensemble_report([model("a", "teacher", 0.9)], PartScores(1, 0, 0), None)
    assert not blind.seen_training


def test_the_scores_for_the_tracker_name_model_part_and_figure():
    scores = report().scores()
    assert scores["student/test/accuracy"] == 0.9289
    assert scores["wide/validation/nll"] == 0.35
    assert "ensemble/test/agreement" not in scores
    assert all(math.isfinite(value) for value in scores.values())


def test_a_curve_is_made_of_the_epochs_of_a_spool():
    rows = [
        Row("step", 0, 1, {"loss": 2.0}),
        Row("epoch", 0, 2, {"accuracy": 0.5, "nll": 1.5}, epoch=0),
        Row("epoch", 1, 3, {"accuracy": 0.75, "nll": 1.0}, epoch=1),
    ]
    curve = learning_curve("student", rows)
    assert (curve.epochs, curve.accuracy, curve.nll) == ((1, 2), (0.5, 0.75), (1.5, 1.0))
    assert learning_curve("student", rows[:1]).epochs == ()


@pytest.mark.parametrize(
    ("student", "untaught", "words"),
    [
        (0.9289, 0.8889, ["gained 4.00 points", "closed 39 % of the gap", "(99.22 %)"]),
        (0.8789, 0.8889, ["lost 1.00 points", "grew from 10.33 points to 11.33 points"]),
        (0.8889, 0.8889, ["is as good as", "closed nothing of the gap"]),
        (0.9950, 0.8889, ["gained 10.61 points", "stands 0.28 points above its ensemble"]),
        (0.9922, 0.8889, ["gained 10.33 points", "closed 100 % of the gap"]),
        (0.9950, 0.9930, ["gained 0.20 points", "no gap to close"]),
        (0.9900, 0.9930, ["lost 0.30 points", "no gap to close"]),
    ],
)
def test_the_closing_sentence_tells_gain_and_loss(student, untaught, words):
    sentence = closing_sentence(report(student, untaught))
    assert all(word in sentence for word in words), sentence
    assert sentence.endswith(").") or "; " in sentence
    assert "  " not in sentence
    assert " ;" not in sentence


def test_the_closing_sentence_does_without_what_is_absent():
    assert "names 92.89 %" in closing_sentence(replace(report(), untaught=None, ensemble=None))
    assert closing_sentence(replace(report(), ensemble=None)).endswith("against 88.89 %).")
    ended = replace(report(), student=None, outcome="interrupted")
    assert "ended (interrupted) before" in closing_sentence(ended)


def test_models_that_have_seen_the_training_samples_are_marked():
    text = drawn(print_report, report())
    assert "96.33*" in text
    assert "91.89 " in text and "91.89*" not in text
    assert "the validation figure flatters" in " ".join(text.split())
    fair = replace(report(), teachers={}, ensemble=None)
    assert "*" not in drawn(print_report, fair)


def test_the_table_shows_every_model_and_fits_100_columns():
    large = model("resnet50_with_a_long_name", "teacher", 0.99, 25_557_032)
    large = replace(
        large, macs=4_089_184_256, bytes=102_228_128, latency_ms={"1": 123.4, "64": 56.7}
    )
    text = drawn(print_report, report(teachers={**report().teachers, large.name: large}))
    assert max(map(len, text.splitlines())) <= 100
    for figure in (
        "25,557,032",
        "4,089,184,256",
        "102,228,128",
        "92.89",
        "88.89",
        "90.22",
        "99.22",
    ):
        assert figure in text
    assert "1/21122" in text.replace(",", "")


def test_a_class_that_was_never_shown_has_its_own_sentence():
    def on_threes(share):
        return PartScores(0.9, 0.3, 0.02, 0.9, tuple(share if n == 3 else 0.95 for n in range(10)))

    student = replace(report().student, test=on_threes(0.68), corrected=on_threes(0.9912))
    untaught = replace(report().untaught, test=on_threes(0.0))
    told = " ".join(notes(replace(report(), student=student, untaught=untaught, omitted=(3,))))
    assert "Of class '3', which was never shown, the student names 68.00 %" in told
    assert "(99.12 % after prior correction)" in told
    assert "'untaught' names 0.00 %" in told
    assert "After prior correction" in told


def test_the_ratio_is_that_to_the_largest_teacher():
    assert [ratio(*pair) for pair in ((1210, 85002), (100, 250), (5, 5), (10, 4), (1, 0))] == [
        "1/70",
        "1/2.5",
        "1",
        "2.5",
        "-",
    ]


def test_runs_are_compared_side_by_side():
    other = replace(report(), student=None, outcome="failed", recipe_digest="f" * 64)
    first, second = compare_grid([report(), other]).rows
    assert first[:5] == ("digits@89abcdef89ab", "done", "92.89", "88.89", "+4.00")
    assert second[:5] == ("digits@ffffffffffff", "failed", "-", "88.89", "-")
    assert max(map(len, drawn(print_comparison, [report()]).splitlines())) <= 100


def test_the_report_needs_neither_torch_nor_matplotlib():
    code = (
        "import sys, orchestrator.report.render_tables, orchestrator.results.run_report\n"
        "assert not {'torch', 'matplotlib', 'mlflow', 'scipy'} & sys.modules.keys()"
    )
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)


def test_the_sample_is_a_distribution():
    assert all(sum(row) == pytest.approx(1) for row in dark_knowledge().mean)
