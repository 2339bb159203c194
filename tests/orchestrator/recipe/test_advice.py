"""Claims about the notes on a recipe in which nothing is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.recipe.advice import all_have_seen, notes
from tests import small


def noted(folder: Path, *overrides: str) -> str:
    return "\n".join(notes(small.loaded(folder, *overrides).recipe))


def test_a_plain_recipe_has_no_notes(tmp_path: Path) -> None:
    assert noted(tmp_path) == ""


def test_another_folder_as_the_test_part_is_noted(tmp_path: Path) -> None:
    folder = "transfer_set={kind: image_folder, root: x, test_folder: val}"
    assert noted(tmp_path, folder).startswith("`transfer_set.test_folder` is 'val': its pictures")


def test_teachers_trained_with_label_smoothing_are_named(tmp_path: Path) -> None:
    smooth = "teachers.{}.train.objective.task.label_smoothing=0.1"
    one = noted(tmp_path, smooth.format("wide"))
    assert one.startswith("Teacher wide (0.1) is trained with label smoothing: such teachers")
    assert "teach worse" in one
    both = noted(tmp_path, smooth.format("wide"), smooth.format("deep"))
    assert both.startswith("Teachers wide (0.1) and deep (0.1) are trained with label smoothing")


def test_an_untaught_student_has_no_notes_on_teachers(tmp_path: Path) -> None:
    alone = ("student.objective={task: 1.0}", "controls=[]")
    assert noted(tmp_path, "teachers.wide.train.objective.task.label_smoothing=0.1", *alone) == ""


@pytest.mark.parametrize(
    ("fraction", "of_student", "seen"), [(1.0, 0.5, True), (0.5, 0.5, True), (0.25, 0.5, False)]
)
def test_a_teacher_has_seen_the_students_samples_if_its_share_is_no_smaller(
    tmp_path: Path, fraction: float, of_student: float, seen: bool
) -> None:
    overrides = (f"teachers.wide.train.fraction={fraction}", f"transfer_set.fraction={of_student}")
    assert all_have_seen(small.loaded(tmp_path, *overrides).recipe) is seen


def test_weight_schedules_are_noted_with_the_epochs_in_which_teachers_are_used(
    tmp_path: Path,
) -> None:
    text = noted(
        tmp_path,
        "student.objective.soft_targets.weight={kind: stop, value: 0.9, epoch: 2}",
        "student.objective.near.weight={kind: linear, start: 1, end: 0, epochs: 2}",
        "student.objective.task.weight={kind: ramp, epochs: 2}",
    ).splitlines()
    assert text == [
        "Weights that change, where the first epoch is 0: student.objective.task from 0.0067 in a "
        "ramp to 1 at epoch 2; student.objective.soft_targets 0.9 before epoch 2, then 0; "
        "student.objective.near from 1 in a straight line to 0 at epoch 2.",
        "Teachers are used in 2 of the student's 3 epochs: in the others no term that needs them "
        "has a weight above 0.",
    ]


def test_weight_schedules_of_a_teacher_in_training_are_noted_too(tmp_path: Path) -> None:
    text = noted(tmp_path, "teachers.wide.train.objective.task.weight=ramp")
    assert "teachers.wide.train.objective.task from 0.0067 in a ramp to 1 at epoch 80" in text


def test_a_term_that_needs_each_label_is_named_where_most_have_none(tmp_path: Path) -> None:
    terms = "student.objective={task: 0.1, decoupled: 0.9}"
    assert noted(tmp_path, terms) == ""
    text = noted(tmp_path, terms, "transfer_set.labelled=0.15")
    assert text.startswith("Term decoupled needs a sample's label, so 85 % of the student's")
    assert "85 % of the student's samples" in text
    two = "student.objective={decoupled: 0.9, again: {kind: decoupled}}"
    assert noted(tmp_path, two, "transfer_set.labelled=0.15").startswith(
        "Terms decoupled and again need"
    )
    assert noted(tmp_path, "transfer_set.labelled=0.15") == "", "soft targets need no label"


@pytest.mark.parametrize("rule", ["correct_only", "confidence"])
def test_a_rule_by_correctness_has_little_effect_where_all_have_seen_the_samples(
    tmp_path: Path, rule: str
) -> None:
    setting = f"ensemble.weighting={rule}"
    assert noted(tmp_path, setting).startswith(f"Rule {rule} weighs teachers by whether they are")
    assert noted(tmp_path, setting, "teachers.wide.train.fraction=0.1") == ""
    assert noted(tmp_path, "ensemble.weighting=max_entropy") == ""


def test_noise_is_described_with_the_terms_whose_gradient_it_shifts(tmp_path: Path) -> None:
    noise = "ensemble.noise={probability: 0.25, sigma: 0.1}"
    text = noted(tmp_path, noise)
    assert "the logits of 25 % of the samples are each multiplied by 1 + a draw of standard" in text
    assert text.endswith("shifts the mean gradient of terms on distributions: soft_targets.")
    assert "rule" not in text, "uniform weights see no answer"
    by_rule = noted(tmp_path, noise, "ensemble.weighting=min_entropy")
    assert "The weights of rule min_entropy follow from the answers without noise." in by_rule
    on_logits = noted(tmp_path, noise, "student.objective={task: 0.1, logit_l2: 0.9}")
    assert on_logits.endswith("drawn again for each teacher, epoch and sample.")


def test_an_assistant_that_is_the_students_own_model_is_noted(tmp_path: Path) -> None:
    student = small.loaded(tmp_path).recipe.student.model.model_dump(mode="json")
    path = f"schedule={{kind: assistants, path: [{student}]}}".replace("None", "null")
    assert noted(tmp_path, path).startswith("`schedule.path.0` is the student's own model")


def test_teachers_that_have_no_part_in_a_route_are_noted(tmp_path: Path) -> None:
    along = "schedule={kind: route, teacher: wide, anchors: 2}"
    said = noted(tmp_path, along)
    assert said.startswith("The student follows the training of 'wide' alone: deep is only in")
    assert not noted(tmp_path, along, "teachers.deep=null")
