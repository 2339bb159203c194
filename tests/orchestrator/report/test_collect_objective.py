"""Claims about teacher weights and loss terms as they are read from a step log."""

from __future__ import annotations

import pytest

from orchestrator.report.collect_objective import term_reports, weighting_report
from orchestrator.results.teaching_report import WeightingReport
from students.objectives.cross_entropy import Task
from students.objectives.soft_targets import SoftTargets
from students.objectives.weight_schedule import LinearWeight
from students.storage.step_log import Row
from teachers.weighting.adaptive import Adaptive
from teachers.weighting.constant import Uniform
from teachers.weighting.entropy import MinEntropy
from teachers.weighting.label_rules import CorrectOnly
from teachers.weighting.rule import WeightingRule

CLASSES = ("x", "y", "z")
MIN_ENTROPY = MinEntropy()


def epoch(number: int, **values: float) -> Row:
    named = {name.replace("__", "/"): value for name, value in values.items()}
    return Row("epoch", 4 * number + 3, 0, {"accuracy": 0.5, "nll": 1.0, **named}, epoch=number)


EPOCHS = [
    epoch(0, weights__b=0.5, weights__a=0.5, rule__changed=0.25, rule__renamed=0.0),
    Row("step", 4, 0, {"loss": 1.0, "weights/c": 9.0}),
    epoch(
        1, weights__b=0.75, weights__b__0=1.0, weights__b__2=0.5, weights__a=0.25,
        weights__a__0=0.0, weights__a__2=0.5, rule__changed=0.5, rule__renamed=0.125,
    ),
]  # fmt: skip


def weights_of(rows: list[Row], weighting: WeightingRule = MIN_ENTROPY) -> WeightingReport:
    found = weighting_report(rows, weighting, CLASSES)
    assert found is not None
    return found


def test_teacher_weights_are_read_from_the_rows_of_the_epochs() -> None:
    found = weights_of(EPOCHS)
    assert (found.rule, found.epochs) == ("min_entropy", (1, 2))
    assert found.weights == {"b": (0.5, 0.75), "a": (0.5, 0.25)}
    assert list(found.weights) == ["b", "a"], "in the order of the rows"
    assert (found.classes, found.by_class) == (
        CLASSES, {"b": (1.0, None, 0.5), "a": (0.0, None, 0.5)},
    )  # fmt: skip
    assert (found.target_changed, found.class_changed) == ((0.25, 0.5), (0.0, 0.125))
    assert found.fallback_shares == (0.0, 0.0)


def test_without_weights_by_class_no_classes_are_named() -> None:
    found = weights_of(EPOCHS[:1])
    assert (found.by_class, found.classes) == ({}, ())


def test_weights_that_do_not_depend_on_the_sample_have_no_report() -> None:
    assert weighting_report([epoch(0)], Uniform(), CLASSES) is None


def test_the_weight_that_no_teacher_has_is_the_labels() -> None:
    rows = [epoch(0, weights__a=0.5, weights__b=0.125, rule__changed=0.75)]
    assert weights_of(rows, CorrectOnly()).fallback_shares == (0.375,)
    assert weights_of(rows).fallback_shares == (0.0,), "no other weighting falls back on labels"


@pytest.mark.parametrize(
    ("weighting", "why"),
    [(MinEntropy(), ""), (CorrectOnly(), "needs labels"), (Adaptive(), "is part of the student")],
)
def test_a_weighting_that_cannot_be_applied_to_held_out_parts_says_why(
    weighting: WeightingRule, why: str
) -> None:
    found = weights_of(EPOCHS, weighting)
    assert (found.training_only, found.is_trained) == (why, weighting.is_trained)


STEPS = [
    Row("step", 0, 0, {"terms/task": 2.0, "gradient/task": 3.0, "terms/soft": 4.0}),
    Row("step", 1, 0, {"terms/task": 1.0, "terms/soft": 2.0}),
    Row("epoch", 1, 0, {"accuracy": 0.5}, epoch=0),
    Row("step", 2, 0, {"terms/soft": 1.0, "gradient/soft": 0.5, "gradient_norm": 9.0}),
    Row("step", 3, 0, {"terms/soft": 0.0}),
]


def test_terms_are_means_over_each_epoch_and_none_while_they_are_not_computed() -> None:
    falling = LinearWeight(kind="linear", start=1.0, end=0.0, epochs=1)
    objective = {"task": Task(weight=falling), "soft": SoftTargets(weight=0.9), "x": Task()}
    found = term_reports(STEPS, objective, steps_per_epoch=2, epochs=2)
    assert list(found) == ["task", "soft"], "of x the steps hold nothing"
    assert (found["task"].values, found["task"].gradients) == ((1.5, None), (3.0, None))
    assert (found["soft"].values, found["soft"].gradients) == ((3.0, 0.5), (None, 0.5))
    assert (found["soft"].kind, found["soft"].weights) == ("soft_targets", (0.9, 0.9))
    assert found["task"].weights[0] == 1.0
