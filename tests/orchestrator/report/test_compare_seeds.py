"""Comparison over seeds: Student's paired interval, the table, and what is significant."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.report.compare_seeds import paired, repeat_report, spread
from orchestrator.report.render_summary import repeats_sentence
from orchestrator.report.render_tables import repeats_table
from tests.orchestrator.report_samples import report

# Student, "The probable error of a mean" (1908): extra hours of sleep by two drugs, ten patients.
# t.test(second, first, paired = TRUE) gives mean 1.58, 95 % interval 0.7001142 to 2.4598858.
FIRST = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SECOND = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]


def runs(*pairs):
    return [report(student, untaught) for student, untaught in pairs]


def test_the_interval_is_that_of_students_own_example():
    found = paired(SECOND, FIRST)
    assert found.mean == pytest.approx(1.58)
    assert (found.low, found.high) == pytest.approx((0.7001142, 2.4598858), abs=1e-7)
    assert (found.wins, found.ties, found.count) == (9, 1, 10)


def test_the_spread_is_the_sample_standard_deviation():
    assert spread([1.0, 2.0, 3.0, 4.0]).deviation == pytest.approx(1.2909944)
    assert spread([1.0]).deviation is None


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=20), st.floats(-1, 1))
def test_what_moves_both_alike_moves_no_difference(values, shift):
    first = [value + 0.25 for value in values]
    moved = paired([value + shift for value in first], [value + shift for value in values])
    plain = paired(first, values)
    assert moved.mean == pytest.approx(plain.mean, abs=1e-9)
    assert moved.low == pytest.approx(plain.low, abs=1e-7)
    assert plain.low <= plain.mean <= plain.high


def test_pairs_must_be_of_one_length():
    with pytest.raises(ValueError, match="zip"):
        paired([1.0, 2.0], [1.0])


def test_a_repeat_report_compares_the_student_with_every_control():
    found = repeat_report(runs((0.93, 0.89), (0.92, 0.89), (0.94, 0.90)))
    assert found.repeats == 3
    assert found.accuracy["student"].mean == pytest.approx(0.93)
    assert found.gains["untaught"].mean == pytest.approx(0.11 / 3)
    assert found.gains["untaught"].wins == 3
    assert found.gains.keys() == {"untaught", "label_smoothing"}
    assert found.accuracy.keys() == {"student", "untaught", "label_smoothing", "ensemble"}


def test_the_table_says_gain_interval_and_wins():
    found = repeat_report(runs((0.93, 0.89), (0.92, 0.89), (0.94, 0.90)))
    rows = {row[0]: row for row in repeats_table(found).rows}
    assert rows["untaught"][1:] == ("89.33", "0.58", "+3.67", "0.58", "+2.23 to +5.10", "3 of 3")
    assert rows["student"][3:] == ("-", "-", "-", "-")


def test_the_sentence_says_whether_the_student_differs_significantly():
    clear = repeats_sentence(repeat_report(runs((0.93, 0.89), (0.92, 0.89), (0.94, 0.90))))
    assert clear == (
        "The student's mean test accuracy is 3.67 points above that of the same student without "
        "teachers (95 % CI +2.23 to +5.10: it differs significantly). It is higher on 3 of 3 seeds."
    )
    unsure = repeats_sentence(repeat_report(runs((0.93, 0.89), (0.88, 0.89), (0.89, 0.89))))
    assert "it does not differ significantly" in unsure
    assert "higher on 1 of 3 seeds, equal on 1." in unsure
    worse = repeats_sentence(repeat_report(runs((0.80, 0.89), (0.81, 0.89))))
    assert "8.50 points below that of the same student" in worse
    one = repeats_sentence(repeat_report(runs((0.93, 0.89))))
    assert "One seed has no confidence interval" in one


def test_repeats_that_did_not_finish_are_refused():
    with pytest.raises(ValueError, match="2 runs"):
        repeat_report([report(), replace(report(), student=None)])
    with pytest.raises(ValueError, match="0 runs"):
        repeat_report([])


def test_a_control_that_only_some_repeats_have_is_left_out():
    found = repeat_report([report(), replace(report(), untaught=None)])
    assert "untaught" not in found.gains
    assert repeats_sentence(found) == "There is no untaught student to compare with."
