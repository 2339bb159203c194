"""Claims about the names under which a stage's rows are told to a tracker."""

from __future__ import annotations

from orchestrator.tracking import Cursor
from orchestrator.tracking_windows import Windows
from students.spool import Row


def told(every: int, *rows: Row) -> dict[str, float]:
    windows = Windows(every, Cursor())
    found = [*windows.take(rows), *windows.close()]
    return {metric.key: metric.value for each in found for metric in each.metrics}


def test_figures_of_the_validation_part_say_that_they_are() -> None:
    row = Row("epoch", 3, 10, {"accuracy": 0.5, "nll": 1.5, "nonfinite": 1.0}, epoch=0)
    assert told(50, row) == {
        "validation/accuracy": 0.5, "validation/nll": 1.5, "validation/nonfinite": 1.0,
    }  # fmt: skip


def test_who_was_listened_to_keeps_its_names() -> None:
    values = {"weights/wide": 0.25, "weights/wide/3": 0.75, "rule/changed": 0.5, "accuracy": 0.9}
    assert told(50, Row("epoch", 3, 10, values, epoch=0)) == {
        "weights/wide": 0.25, "weights/wide/3": 0.75, "rule/changed": 0.5,
        "validation/accuracy": 0.9,
    }  # fmt: skip


def test_a_gradient_told_once_an_epoch_is_not_thinned_by_the_other_steps() -> None:
    rows = [Row("step", n, n, {"loss": 1.0}) for n in range(4)]
    rows[0] = Row("step", 0, 0, {"loss": 1.0, "gradient/task": 0.5})
    assert told(4, *rows)["gradient/task"] == 0.5


def test_a_term_that_was_silent_in_some_steps_is_told_by_the_others() -> None:
    rows = [Row("step", 0, 0, {"terms/task": 2.0}), Row("step", 1, 1, {})]
    assert told(2, *rows)["terms/task"] == 2.0
