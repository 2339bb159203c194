"""Claims about what is remarked on a recipe in which nothing is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.recipe.advice import all_have_seen, remarks
from tests import small


def said(folder: Path, *overrides: str) -> str:
    return "\n".join(remarks(small.loaded(folder, *overrides).recipe))


def test_of_a_plain_recipe_there_is_nothing_to_remark(tmp_path: Path) -> None:
    assert said(tmp_path) == ""


def test_teachers_trained_with_label_smoothing_are_named(tmp_path: Path) -> None:
    smooth = "teachers.{}.train.objective.task.label_smoothing=0.1"
    one = said(tmp_path, smooth.format("wide"))
    assert one.startswith("Teacher wide (0.1) is trained with label smoothing: such teachers")
    assert "teach worse" in one
    both = said(tmp_path, smooth.format("wide"), smooth.format("deep"))
    assert both.startswith("Teachers wide (0.1) and deep (0.1) are trained with label smoothing")


def test_a_student_that_no_teacher_teaches_hears_no_remark(tmp_path: Path) -> None:
    alone = ("student.objective={task: 1.0}", "controls=[]")
    assert said(tmp_path, "teachers.wide.train.objective.task.label_smoothing=0.1", *alone) == ""


@pytest.mark.parametrize(
    ("fraction", "of_student", "seen"), [(1.0, 0.5, True), (0.5, 0.5, True), (0.25, 0.5, False)]
)
def test_a_teacher_has_seen_the_students_samples_if_its_share_is_no_smaller(
    tmp_path: Path, fraction: float, of_student: float, seen: bool
) -> None:
    overrides = (f"teachers.wide.train.fraction={fraction}", f"transfer_set.fraction={of_student}")
    assert all_have_seen(small.loaded(tmp_path, *overrides).recipe) is seen


def test_weights_that_change_are_told_with_the_epochs_in_which_teachers_are_asked(
    tmp_path: Path,
) -> None:
    told = said(
        tmp_path,
        "student.objective.soft_targets.weight={kind: stop, value: 0.9, epoch: 2}",
        "student.objective.near.weight={kind: linear, start: 1, end: 0, epochs: 2}",
        "student.objective.task.weight={kind: ramp, epochs: 2}",
    ).splitlines()
    assert told == [
        "Weights that change, where the first epoch is 0: student.objective.task from 0.0067 in a "
        "ramp to 1 at epoch 2; student.objective.soft_targets 0.9 before epoch 2, then 0; "
        "student.objective.near from 1 in a straight line to 0 at epoch 2.",
        "Teachers are asked in 2 of the student's 3 epochs: in the others no term that learns "
        "from them has a weight above 0.",
    ]


def test_weights_of_a_teacher_in_training_are_told_too(tmp_path: Path) -> None:
    told = said(tmp_path, "teachers.wide.train.objective.task.weight=ramp")
    assert "teachers.wide.train.objective.task from 0.0067 in a ramp to 1 at epoch 80" in told


def test_a_term_that_needs_each_label_is_named_where_most_have_none(tmp_path: Path) -> None:
    terms = "student.objective={task: 0.1, decoupled: 0.9}"
    assert said(tmp_path, terms) == ""
    told = said(tmp_path, terms, "transfer_set.labelled=0.15")
    assert told.startswith("Term decoupled compares the label's class with the others, so nothing")
    assert "85 % of the student's samples" in told
    two = "student.objective={decoupled: 0.9, again: {kind: decoupled}}"
    assert said(tmp_path, two, "transfer_set.labelled=0.15").startswith("Terms decoupled and again")
    assert said(tmp_path, "transfer_set.labelled=0.15") == "", "soft targets need no label"


@pytest.mark.parametrize("rule", ["correct_only", "confidence"])
def test_a_rule_by_correctness_will_find_little_where_all_have_seen_the_samples(
    tmp_path: Path, rule: str
) -> None:
    asked = f"ensemble.weighting={rule}"
    assert said(tmp_path, asked).startswith(f"Rule {rule} asks which teachers are right")
    assert said(tmp_path, asked, "teachers.wide.train.fraction=0.1") == ""
    assert said(tmp_path, "ensemble.weighting=max_entropy") == ""


def test_noise_is_described_with_the_terms_whose_gradient_it_shifts(tmp_path: Path) -> None:
    noise = "ensemble.noise={probability: 0.25, sigma: 0.1}"
    told = said(tmp_path, noise)
    assert "the logits of 25 % of the samples, each times 1 + a draw of standard deviation" in told
    assert told.endswith("shifts the mean gradient of those on distributions: soft_targets.")
    on_logits = said(tmp_path, noise, "student.objective={task: 0.1, logit_l2: 0.9}")
    assert on_logits.endswith("drawn anew for each teacher, epoch and sample.")
