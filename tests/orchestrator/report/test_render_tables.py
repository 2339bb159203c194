"""The tables of a report show what its figures are, in 100 columns of a terminal."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.formatting import print_grid
from orchestrator.report.compare_seeds import repeat_report
from orchestrator.report.render_tables import (
    comparison_table,
    print_report,
    relative_size,
    report_tables,
)
from tests.orchestrator.report_samples import model, report, teacher_weights, teaching, terms


def printed(function: Callable[..., None], *values: Any) -> str:
    """What ``function`` prints, which must fit 100 columns."""
    with redirect_stdout(io.StringIO()) as stdout:
        function(*values)
    text = stdout.getvalue()
    assert max(map(len, text.splitlines())) <= 100
    return text


def test_models_that_have_seen_the_training_samples_are_marked() -> None:
    text = printed(print_report, report(), None)
    assert "96.33*" in text
    assert "91.89 " in text and "91.89*" not in text
    fair = replace(report(), teachers={}, ensemble=None)
    assert "*" not in printed(print_report, fair, None)


def test_every_model_is_shown_however_long_its_name() -> None:
    large = model("resnet50_with_a_long_name", "teacher", 0.99, 25_557_032)
    large = replace(
        large, macs=4_089_184_256, bytes=102_228_128, latency_ms={"1": 123.4, "64": 56.7}
    )
    text = printed(print_report, report(teachers={**report().teachers, large.name: large}), None)
    figures = ("25,557,032", "4,089,184,256", "102,228,128", "92.89", "88.89", "90.22", "99.22")
    assert all(figure in text for figure in figures)
    assert "1/21122" in text.replace(",", "")


def test_the_relative_size_is_that_to_the_largest_teacher() -> None:
    pairs = ((1210, 85002), (100, 250), (5, 5), (10, 4), (1, 0))
    assert [relative_size(*pair) for pair in pairs] == ["1/70", "1/2.5", "1", "2.5", "-"]


def test_teacher_inference_has_speed_up_parity_and_answers() -> None:
    text = printed(print_report, report(teaching=teaching()), None)
    for cell in ("channels-last", "wide", "2.6x", "6.0e-05", "99.8", "passed", "1,500", "250"):
        assert cell in text


def test_without_teachers_there_is_no_table_of_their_inference() -> None:
    assert len(report_tables(report())) == 2
    assert len(report_tables(report(teaching=teaching(teachers={})))) == 2
    assert len(report_tables(report(teaching=teaching()))) == 3


def test_loss_terms_have_value_weight_and_gradient() -> None:
    *_, table = report_tables(report(terms=terms()))
    assert table.rows == (
        ("task", "-", "0.1 to 0", "0.02", "-", "0.0"),
        ("soft_targets", "0.289", "0 to 0.855", "0", "0.0426", "91.7"),
        ("deep_hint", "0.348", "1", "0.01", "0.00387", "8.3"),
    )
    assert len(report_tables(report(terms={"task": terms()["task"]}))) == 2, "one needs no table"


def test_the_label_has_a_row_beside_the_teachers_where_it_was_the_target() -> None:
    shares = {"a": (0.5,), "b": (0.125,)}
    weights = teacher_weights(epochs=1, weights=shares, by_class={}, fallback_shares=(0.375,))
    *_, table = report_tables(report(teacher_weights=weights))
    assert table.rows[-1] == ("(the label)", "37.5", "37.5", "-", "-")


def test_all_tables_of_a_run_fit_the_terminal() -> None:
    classes = ("aeroplane", "automobile", *(f"a class of animals {n}" for n in range(8)))
    weights = replace(teacher_weights(), classes=classes)
    full = report(teacher_weights=weights, terms=terms(), remarks=("A remark.",))
    seeds = repeat_report([report(0.92, 0.88), report(0.93, 0.90)])
    text = printed(print_report, full, seeds)
    titles = ("Accuracy", "Model size and latency", "Teacher weights by class and epoch",
              "Loss terms: value, weight, gradient norm", "Test accuracy over 2 seeds")  # fmt: skip
    for part in (*titles, "aeroplane (85.0)", "A remark.", "2 of 2"):
        assert part in text


def test_runs_are_compared_side_by_side() -> None:
    other = replace(report(), student=None, outcome="failed", recipe_digest="f" * 64)
    table = comparison_table([report(), other])
    first, second = table.rows
    assert first[:5] == ("digits@89abcdef89ab", "done", "92.89", "88.89", "+4.00")
    assert second[:5] == ("digits@ffffffffffff", "failed", "-", "88.89", "-")
    printed(print_grid, table)


def test_a_stored_report_is_printed_without_any_framework() -> None:
    code = (
        "import sys, orchestrator.report.render_tables, orchestrator.results.run_report\n"
        "assert not {'torch', 'matplotlib', 'mlflow', 'scipy', 'numpy'} & sys.modules.keys()"
    )
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)
