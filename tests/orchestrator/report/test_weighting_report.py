"""Claims about what a report says of a lesson: who was listened to, and which term drove."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from orchestrator.report.render_page import write_page
from orchestrator.report.render_tables import print_report
from orchestrator.report.render_weighting_summary import lesson_notes
from orchestrator.report.render_weighting_tables import lesson_grids
from orchestrator.report.weighting_plots import listening_figure, terms_figure
from orchestrator.results.run_report import RunReport
from orchestrator.results.term_report import gradient_shares, term_values
from orchestrator.results.weighting_report import WeightingReport, weighting_report
from students.storage.step_log import Row
from tests.orchestrator.report_samples import listening, report, terms


def epoch(number: int, **values: float) -> Row:
    named = {name.replace("__", "/"): value for name, value in values.items()}
    return Row("epoch", 4 * number + 3, 0, {"accuracy": 0.5, "nll": 1.0, **named}, epoch=number)


HEARD = [
    epoch(0, weights__b=0.5, weights__a=0.5, rule__changed=0.25, rule__renamed=0.0),
    Row("step", 4, 0, {"loss": 1.0, "weights/c": 9.0}),
    epoch(
        1, weights__b=0.75, weights__b__0=1.0, weights__b__2=0.5, weights__a=0.25,
        weights__a__0=0.0, weights__a__2=0.5, rule__changed=0.5, rule__renamed=0.125,
    ),
]  # fmt: skip


def heard(rows: list[Row] = HEARD) -> WeightingReport:
    found = weighting_report(rows, "min_entropy", ("x", "y", "z"))
    assert found is not None
    return found


def test_who_was_listened_to_is_read_from_the_epochs_rows() -> None:
    found = heard()
    assert found.epochs == (1, 2)
    assert found.weights == {"b": (0.5, 0.75), "a": (0.5, 0.25)}
    assert list(found.weights) == ["b", "a"], "in the order of the rows"
    assert found.by_class == {"b": (1.0, None, 0.5), "a": (0.0, None, 0.5)}
    assert (found.changed, found.renamed) == ((0.25, 0.5), (0.0, 0.125))
    assert found.fallback_shares == (0.0, 0.0)


def test_without_weights_by_class_there_is_no_table_of_classes() -> None:
    found = heard(HEARD[:1])
    assert (found.by_class, found.classes) == ({}, ())
    assert listening_figure(found).axes[0].get_legend() is not None
    assert len(listening_figure(found).axes) == 1


def test_where_teachers_count_as_the_recipe_says_nothing_is_told() -> None:
    assert weighting_report([epoch(0)], "uniform", ("x",)) is None
    assert list(lesson_grids(report())) == []
    assert list(lesson_notes(report())) == []


def test_what_no_teacher_had_was_the_labels() -> None:
    found = heard([epoch(0, weights__a=0.5, weights__b=0.125, rule__changed=0.75)])
    assert found.fallback_shares == (0.0,), "no other rule leaves samples to the label"
    told = replace(found, rule="correct_only")
    assert told.fallback_shares == (0.375,)
    (grid,) = lesson_grids(report(listening=told))
    assert grid.rows[-1] == ("(the label)", "37.5", "37.5", "-", "-")
    said = " ".join(lesson_notes(report(listening=told)))
    assert "For 37.5 % of them the label taught, for no teacher was right." in said


@pytest.mark.parametrize(
    ("changed", "seen", "words"),
    [
        (0.003, True, "0.3 % of the samples: the teachers have seen them and agree on nearly all."),
        (0.0001, True, "less than 0.1 % of the samples: the teachers have seen them"),
        (0.0, False, "0.0 % of the samples: it taught nearly as the uniform mean does."),
        (0.3, True, "30.0 % of the samples, and the class that it names for 3.1 %."),
    ],
)
def test_the_words_say_what_a_rule_changed_and_why_so_little(
    changed: float, seen: bool, words: str
) -> None:
    told = listening(changed=(0.9,) * 19 + (changed,), seen=seen)
    first, *_ = lesson_notes(report(listening=told))
    assert words in first
    assert first.startswith("In the last epoch, rule min_entropy changed the target of ")


def test_a_gate_that_weighs_nearly_alike_is_no_sign_that_teachers_agree() -> None:
    first, *_ = lesson_notes(report(listening=listening(changed=(0.0,) * 20, rule="adaptive")))
    assert first.endswith("it taught nearly as the uniform mean does.")


@pytest.mark.parametrize(
    ("rule", "why"),
    [("correct_only", "asks for labels"), ("adaptive", "is part of the student"), ("x", "cannot")],
)
def test_a_rule_that_cannot_be_asked_on_held_out_parts_says_so(rule: str, why: str) -> None:
    told = listening(rule=rule, judged_without=True)
    *_, last = lesson_notes(report(listening=told))
    assert last.startswith("The ensemble's own figures are those of the uniform mean: rule ")
    assert why in last


def test_a_gate_that_gives_one_teacher_nearly_all_is_no_weighing() -> None:
    weights = {"easy": (0.5, 0.95), "best": (0.5, 0.05)}
    told = listening(epochs=2, weights=weights, by_class={}, rule="adaptive")
    said = " ".join(lesson_notes(report(listening=told)))
    assert "The gate gave easy 95 % of the weight" in said
    assert "easiest to imitate" in said
    other = replace(told, rule="random")
    assert "gave easy" not in " ".join(lesson_notes(report(listening=other)))


STEPS = [
    Row("step", 0, 0, {"terms/task": 2.0, "gradient/task": 3.0, "terms/soft": 4.0}),
    Row("step", 1, 0, {"terms/task": 1.0, "terms/soft": 2.0}),
    Row("epoch", 1, 0, {"accuracy": 0.5}, epoch=0),
    Row("step", 2, 0, {"terms/soft": 1.0, "gradient/soft": 0.5, "gradient_norm": 9.0}),
    Row("step", 3, 0, {"terms/soft": 0.0}),
]


def test_terms_are_means_over_each_epoch_and_none_while_they_are_silent() -> None:
    said = term_values(STEPS, steps_per_epoch=2, epochs=2)
    assert said.keys() == {"task", "soft"}
    assert said["task"] == ((1.5, None), (3.0, None))
    assert said["soft"] == ((3.0, 0.5), (None, 0.5))


def test_shares_are_those_of_the_sum_of_the_gradients() -> None:
    shares = gradient_shares(terms(), 0)
    assert shares == pytest.approx({"task": 2 / 3, "soft_targets": 0.0, "deep_hint": 1 / 3})
    assert gradient_shares(terms(), -1)["task"] == 0.0
    silent = {name: replace(term, gradients=(None,)) for name, term in terms().items()}
    assert gradient_shares(silent, 0) == {}


def test_the_table_of_terms_shows_value_weight_and_who_drives() -> None:
    (grid,) = lesson_grids(report(terms=terms()))
    assert grid.rows == (
        ("task", "-", "0.1 to 0", "0.02", "-", "0.0"),
        ("soft_targets", "0.289", "0 to 0.855", "0", "0.0426", "91.7"),
        ("deep_hint", "0.348", "1", "0.01", "0.00387", "8.3"),
    )
    (said,) = lesson_notes(report(terms=terms()))
    assert said == (
        "At first term task drove the student (67 % of the terms' gradients), in the end "
        "soft_targets (92 %)."
    )


def test_one_term_alone_drives_without_a_word() -> None:
    alone = report(terms={"task": terms()["task"]})
    assert list(lesson_grids(alone)) == list(lesson_notes(alone)) == []


def test_one_that_drives_throughout_is_told_once() -> None:
    two = {name: term for name, term in terms().items() if name != "soft_targets"}
    norms = {"task": (0.3, 0.1), "deep_hint": (0.1, 0.1)}
    steady = {name: replace(term, gradients=norms[name]) for name, term in two.items()}
    (said,) = lesson_notes(report(terms=steady))
    assert said == (
        "Term task drove the student: 75 % of the terms' gradients in the first epoch, 50 % in "
        "the last."
    )


def test_a_report_with_its_lesson_comes_back_from_its_json() -> None:
    before = report(listening=listening(), terms=terms(), remarks=("Noise is on the answers.",))
    plain = before.to_json()
    assert RunReport.from_json(json.dumps(plain)) == before
    for name in ("listening", "terms", "remarks"):
        del plain[name]
    assert RunReport.from_json(json.dumps(plain)) == report(), "an older report"


def test_the_tracker_gets_who_was_listened_to_in_the_end() -> None:
    scores = report(listening=listening()).scores()
    assert scores["listening/changed"] == pytest.approx(0.31)
    assert scores["listening/weights/deep"] == pytest.approx(0.625)


def test_the_tables_fit_100_columns() -> None:
    classes = ("aeroplane", "automobile", *(f"a class of animals {n}" for n in range(8)))
    console = Console(file=io.StringIO(), width=100)
    heard_by_class = replace(listening(), classes=classes)
    full = report(listening=heard_by_class, terms=terms(), remarks=("A remark.",))
    print_report(full, console)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= 100
    for part in ("Who was listened to", "aeroplane (85.0)", "What drove the student", "A remark."):
        assert part in text


def test_the_page_has_both_pictures_and_the_same_report_writes_the_same_bytes(tmp_path) -> None:
    told = report(listening=listening(), terms=terms(), remarks=("<b> is *not* markup",))
    written = [write_page(told, tmp_path / name) for name in "ab"]
    text = (tmp_path / "a" / "report.md").read_text()
    assert text.count("![") == 5
    assert "\\<b> is \\*not\\* markup" in text
    for name in ("report.md", "who_was_listened_to.png", "terms.png"):
        assert name in written[0].artifacts
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_heat_map_holds_teachers_by_class_and_the_courses_their_lines() -> None:
    figure = listening_figure(listening())
    shown = figure.axes[1].images[0].get_array()
    assert shown.shape == (3, 10)
    assert shown[2, 0] == pytest.approx(85.0)
    assert [line.get_label() for line in figure.axes[0].lines] == ["wide", "cnn", "deep"]
    left, right = terms_figure(terms()).axes
    assert np.isnan(left.lines[0].get_ydata()[-1])
    assert len(right.lines) == 3


@pytest.mark.parametrize(
    "odd",
    [
        listening(epochs=1, classes=1),
        listening(epochs=2, classes=100),
        listening(by_class=dict.fromkeys(("wide", "cnn", "deep"), (None,) * 10)),
        listening(weights={"a": (0.0,) * 20, "b": (0.0,) * 20}, by_class={}),
    ],
)
def test_odd_cases_are_drawn(odd: WeightingReport) -> None:
    listening_figure(odd).canvas.draw()
