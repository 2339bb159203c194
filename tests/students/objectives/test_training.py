"""Every term on logits trains a student by itself, as the recipe's objective does it."""

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from students.objectives.config import ObjectiveConfig
from students.objectives.soft_targets import SoftTargets
from tests.students import tiny
from tests.students.objectives.logit_cases import TERMS

CONFIDENT = {"permuted_targets": {"temperature": 0.5}}
"""Where the teacher's answers are nearly uniform, targets permuted in each epoch are noise."""


def _spec(objective, **train):
    return replace(tiny.spec(tiny.Mlp(hidden=(8,)), **train), objective=objective)


def _losses(stage: Path) -> list[float]:
    return [row["loss"] for kind, _, row in tiny.measured(stage) if kind == "step"]


@pytest.mark.parametrize("name", TERMS)
def test_a_student_taught_by_one_term_alone_lowers_it(name, tmp_path):
    objective = TypeAdapter(ObjectiveConfig).validate_python(
        {"only": TERMS[name] | CONFIDENT.get(name, {})}
    )
    tiny.train(tmp_path / "stage", _spec(objective, epochs=6, checkpoint={"every": 24}))
    losses = _losses(tmp_path / "stage")
    assert len(losses) == 24 and sum(losses[-4:]) < sum(losses[:4])


def test_without_any_label_a_student_learns_from_answers_alone(tmp_path):
    data = tiny.DATA.model_copy(update={"labelled": 0.0})
    stage = tmp_path / "stage"
    spec = _spec({"soft_targets": SoftTargets()}, epochs=6, checkpoint={"every": 24})
    rank = tiny.StudentRank(
        tiny.assignment(
            stage, spec, data=tiny.planned_data(data, stage.parent), teachers=("wide",)
        ),
        tiny.OneTeacher(),
    )
    for _ in rank.train():
        pass
    losses = _losses(stage)
    assert sum(losses[-4:]) < sum(losses[:4])
