"""Claims about the metrics that a stage's rows become."""

from __future__ import annotations

from orchestrator.tracking.tracker import Cursor
from orchestrator.tracking.windows import Windows
from students.storage.step_log import Row


def metrics_of(every: int, *rows: Row) -> dict[str, float]:
    windows = Windows(every, Cursor())
    batches = [*windows.take(rows), *windows.close()]
    return {metric.key: metric.value for metrics, _ in batches for metric in metrics}


def test_figures_of_an_epoch_are_named_after_the_validation_part() -> None:
    row = Row("epoch", 3, 10, {"accuracy": 0.5, "nll": 1.5, "nonfinite": 1.0}, epoch=0)
    assert metrics_of(50, row) == {
        "validation/accuracy": 0.5, "validation/nll": 1.5, "validation/nonfinite": 1.0,
    }  # fmt: skip


def test_teacher_weights_keep_their_names() -> None:
    values = {"weights/wide": 0.25, "weights/wide/3": 0.75, "rule/changed": 0.5, "accuracy": 0.9}
    assert metrics_of(50, Row("epoch", 3, 10, values, epoch=0)) == {
        "weights/wide": 0.25, "weights/wide/3": 0.75, "rule/changed": 0.5,
        "validation/accuracy": 0.9,
    }  # fmt: skip


def gradients(every: int, *rows: Row) -> list[tuple[int, float]]:
    windows = Windows(every, Cursor())
    batches = [*windows.take(rows), *windows.close()]
    found = [metric for metrics, _ in batches for metric in metrics]
    return [(metric.step, metric.value) for metric in found if metric.key == "gradient/task"]


def with_gradients(epochs: int, steps: int) -> list[Row]:
    first = {"loss": 1.0, "gradient/task": 0.5}
    return [Row("step", n, n, {"loss": 1.0} if n % steps else first) for n in range(epochs * steps)]


def test_a_gradient_is_sent_for_each_epoch_at_its_own_step() -> None:
    for every in (1, 3, 50):
        assert gradients(every, *with_gradients(4, steps=3)) == [
            (0, 0.5), (3, 0.5), (6, 0.5), (9, 0.5),
        ]  # fmt: skip


def test_more_gradients_than_a_tracker_takes_at_once_become_a_mean() -> None:
    assert gradients(2000, *with_gradients(1500, steps=1)) == [(1499, 0.5)]


def test_a_term_without_values_in_some_steps_is_the_mean_of_the_others() -> None:
    rows = [Row("step", 0, 0, {"terms/task": 2.0}), Row("step", 1, 1, {})]
    assert metrics_of(2, *rows)["terms/task"] == 2.0
