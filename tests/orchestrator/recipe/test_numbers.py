"""Claims about numbers in the wrong unit: refused with the reason, or noted."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.commands.init import TEMPLATE
from orchestrator.errors import RecipeProblems
from orchestrator.recipe.advice import notes
from orchestrator.recipe.loading import load_recipe

OPTIMIZER = "student.train.optimizer={{kind: {}}}"
FIGURES = "teachers.wide.model.preprocessing={{{}}}"

REFUSED = [
    (OPTIMIZER.format("sgd, lr: 50"), "optimizer.lr", "from 1e-08 to 10, since smaller steps are"),
    (OPTIMIZER.format("adamw, lr: 3"), "optimizer.lr", "larger ones diverge; give that"),
    (OPTIMIZER.format("sgd, lr: 1e-12"), "optimizer.lr", "lost in the rounding of weights"),
    (OPTIMIZER.format("sgd, momentum: 90"), "optimizer.momentum", "; for 90 % write 0.9"),
    (OPTIMIZER.format("sgd, weight_decay: 50"), "weight_decay", "takes off every weight"),
    (OPTIMIZER.format("sgd, lr: 0.1, weight_decay: 5"), "weight_decay", "takes 50% off every"),
    ("ensemble.temperature=400", "temperature", "from 0.01 to 100, since logits are divided by it"),
    ("student.objective.soft_targets.temperature=0.001", "temperature", "one class alone"),
    ("transfer_set.fraction=20", "fraction", "at most 1; for 20 % write 0.2"),
    ("transfer_set.fraction=20%", "fraction", "; for 20 % write 0.2"),
    ("transfer_set.validation=20.0", "validation", "; for 20 % write 0.2"),
    ("transfer_set.labelled=10", "labelled", "; for 10 % write 0.1"),
    ("ensemble.noise={sigma: 30}", "noise.sigma", "to 5, since a logit is multiplied by 1 + such"),
    ("ensemble.noise={probability: 50}", "noise.probability", "; for 50 % write 0.5"),
    ("student.objective.task.weight=90000000", "task.weight", "since it multiplies the loss"),
    ("teachers.wide.model.dropout=50", "dropout", "are dropped, not kept; for 50 % write 0.5"),
    ("timeouts.rank=300000", "timeouts.rank", "at most 24h, such as 60s, 10m or 1h, since a plain"),
    ("student.train.epochs=10000000", "train.epochs", "since an epoch is all samples, not a step"),
    ("student.train.gradient_clipping=1e-9", "gradient_clipping", "nothing would be learned"),
    ("ensemble.bank.budget_gb=10000000000", "budget_gb", "since it counts 10^9 bytes, not bytes"),
    (FIGURES.format("mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375]"),
     "preprocessing", "divide by 255: mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]"),
    (FIGURES.format("mean: [103.939, 116.779, 123.68], std: [1, 1, 1]"),
     "preprocessing", "mean: [0.4076, 0.458, 0.485], std: [0.0039, 0.0039, 0.0039]"),
    (FIGURES.format("mean: [0.485], std: [58.395]"), "preprocessing", "by 255: std: [0.229]"),
    (FIGURES.format("mean: [33.3]"), "preprocessing", "divide by 255: mean: [0.1306]"),
    (FIGURES.format("std: [0.00001]"), "preprocessing", "std [1e-05]; give those of such pictures"),
]  # fmt: skip

NOTED = [
    ("transfer_set.validation=20", "is 20, which is a count of samples; 20 % would be 0.2."),
    ("teachers.wide.model.dropout=0.9", "the share of units that are dropped: 10% are kept."),
    ("ensemble.temperature=0.1", "is 0.1, where 1 to 20 is usual: softened targets are one class"),
    ("student.objective.soft_targets.temperature=50", "are nearly the same for all classes."),
    ("student.objective.soft_targets.weight=90", "is 90, which is no percentage: gradients are"),
    ("student.objective.task.label_smoothing=0.8", "that is spread over all classes; 0.1 is usual"),
    (OPTIMIZER.format("sgd, lr: 3"), "is 3; sgd rarely learns above 1."),
    (OPTIMIZER.format("adamw, lr: 0.3"), "is 0.3; adamw rarely learns above 0.02."),
    (OPTIMIZER.format("sgd, weight_decay: 0.5"), "is 0.5, where 0.0001 to 0.005 is usual."),
    ("student.objective.virtual_teacher={probability: 0.05}", "no more than each of 10 classes"),
    ("student.objective.relation_distance={}", "the one distance between two samples"),
    ("student.objective.correlation={}", "no gradient from `within`, since a correlation over two"),
]


def written(folder: Path) -> Path:
    file = folder / "recipe.yaml"
    file.write_text(TEMPLATE)
    return file


@pytest.mark.parametrize(("setting", "place", "said"), REFUSED)
def test_a_number_beyond_any_sense_is_refused_with_the_reason(
    tmp_path: Path, setting: str, place: str, said: str
) -> None:
    with pytest.raises(RecipeProblems) as found:
        load_recipe(written(tmp_path), [setting], environment={})
    [problem] = found.value.problems
    assert problem.path.endswith(place)
    assert said in problem.message


@pytest.mark.parametrize(("setting", "said"), NOTED)
def test_a_number_that_few_mean_is_noted(tmp_path: Path, setting: str, said: str) -> None:
    few = "student.train.micro_batch_size=2"
    recipe = load_recipe(written(tmp_path), [setting, few], environment={}).recipe
    [note] = notes(recipe)
    assert said in note


def test_usual_numbers_need_no_note(tmp_path: Path) -> None:
    usual = (
        "transfer_set.validation=100", "ensemble.temperature=20", "student.train.optimizer.lr=1",
        "student.objective.hint={kind: relation_angle, weight: 50}",
        "student.train.optimizer.weight_decay=5.0e-3", "teachers.wide.model.dropout=0.5",
        "teachers.wide.model.preprocessing={mean: [0.0], std: [0.00392]}",
    )  # fmt: skip
    assert notes(load_recipe(written(tmp_path), usual, environment={}).recipe) == ()
