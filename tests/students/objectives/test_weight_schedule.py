"""How much a term counts over the epochs: constant, linear, ramp, stop."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from students.objectives.config import ObjectiveConfig
from students.objectives.cross_entropy import Task
from students.objectives.soft_targets import SoftTargets
from students.objectives.term import learns_from_teachers
from students.objectives.weight_schedule import (
    LinearWeight,
    RampWeight,
    StopWeight,
    weight_at,
)
from tests.golden.cases import golden


def read(weight: object) -> object:
    return Task.model_validate({"weight": weight}).weight


def test_a_ramp_is_that_computed_independently() -> None:
    case = golden("ramp_up")
    ramp = RampWeight(epochs=case.params["L"])
    found = [weight_at(ramp, epoch) for epoch in case.inputs["epochs"]]
    assert found == pytest.approx(case.expected["weights"], abs=case.tol)


def test_distillation_that_stops_early_is_that_computed_independently() -> None:
    case = golden("eskd_weight")
    alpha, stop = case.params["alpha"], case.params["stop"]
    taught = StopWeight(value=alpha, epoch=stop)
    task = StopWeight(value=1 - alpha, epoch=stop, after=1.0)
    for weight, expected in ((taught, "kd_weight"), (task, "ce_weight")):
        found = [weight_at(weight, epoch) for epoch in case.inputs["epochs"]]
        assert found == pytest.approx(case.expected[expected], abs=case.tol)


def test_a_line_reaches_its_end_and_stays_there() -> None:
    line = LinearWeight(start=1.0, end=0.0, epochs=4)
    assert [weight_at(line, epoch) for epoch in range(6)] == [1, 0.75, 0.5, 0.25, 0, 0]


def test_a_number_is_itself_in_every_epoch() -> None:
    assert [weight_at(0.3, epoch) for epoch in (0, 99)] == [0.3, 0.3]


def test_kinds_are_recognized_and_a_word_is_a_kind_with_its_defaults() -> None:
    assert read(0.5) == 0.5
    assert read("ramp") == RampWeight()
    assert read({"kind": "stop", "value": 0.9, "epoch": 3}) == StopWeight(value=0.9, epoch=3)
    assert read({"kind": "linear", "start": 0, "end": 1, "epochs": 2}) == LinearWeight(
        start=0, end=1, epochs=2
    )


@pytest.mark.parametrize(
    "wrong",
    [-0.1, "steep", [0.5], True, {"kind": "linear", "start": 0.5}, {"value": 0.5},
     {"kind": "stop", "value": -1, "epoch": 3}, {"kind": "stop", "value": 1, "epoch": 0}],
)  # fmt: skip
def test_what_is_no_weight_is_refused(wrong: object) -> None:
    with pytest.raises(ValidationError):
        read(wrong)


@pytest.mark.parametrize(
    ("weight", "expected"),
    [(0.0, False), (0.1, True), (RampWeight(value=0), False), (RampWeight(), True),
     (StopWeight(value=0, epoch=3), False), (StopWeight(value=0, epoch=3, after=1), True),
     (LinearWeight(start=0, end=0, epochs=3), False),
     (LinearWeight(start=0, end=1, epochs=3), True)],
)  # fmt: skip
def test_a_term_is_active_if_its_weight_is_above_zero_in_some_epoch(
    weight: float, expected: bool
) -> None:
    assert Task(weight=weight).active == expected


def test_teachers_are_asked_in_epochs_in_which_a_term_on_their_answers_counts() -> None:
    late = SoftTargets(weight=StopWeight(value=0, epoch=2, after=1.0))
    early = SoftTargets(weight=LinearWeight(start=1, end=0, epochs=1))
    both = [Task(), late, early]
    assert [learns_from_teachers(both, epoch) for epoch in range(4)] == [True, False, True, True]
    assert not learns_from_teachers([Task()], 0)
    objective = TypeAdapter(ObjectiveConfig).validate_python({"task": 1.0, "soft_targets": 0.0})
    assert not learns_from_teachers(objective.values(), 0)
