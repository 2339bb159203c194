"""Claims about the recipes that ship: they are accepted whole, and say what they mean to say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import stillhouse
from orchestrator.recipe.loading import LoadedRecipe
from students.objectives.hint import MultiGroupHint
from students.objectives.triplet_order import TripletOrder
from students.transfer_sets.catalog import load_transfer_set
from students.transfer_sets.transfer_set import TransferSet

RECIPES = Path(__file__).parents[1] / "recipes"
EXAMPLE = "example"  # It says everything a recipe can say, also what is not supported yet.
SHIPPED = sorted(file.stem for file in RECIPES.glob("*.yaml") if file.stem != EXAMPLE)
RESNETS = {56: "resnet56-4bfd9763.th", 44: "resnet44-014dd654.th", 32: "resnet32-d509ac18.th"}


def load(name: str, *overrides: str) -> LoadedRecipe:
    return stillhouse.load_recipe(RECIPES / f"{name}.yaml", overrides)


def data_of(loaded: LoadedRecipe, cache: Path) -> TransferSet:
    return load_transfer_set(loaded.recipe.transfer_set, folder=loaded.folder, cache=cache)


def weights_under(root: Path, files: dict[int, str]) -> list[str]:
    return [f"teachers.resnet{depth}.weights={root}/weights/{files[depth]}" for depth in files]


def test_every_recipe_that_was_promised_is_there() -> None:
    assert set(SHIPPED) >= {
        "cifar10_assistants", "cifar10_faculty", "cifar10_resnets", "digits", "digits_assistants",
        "digits_unseen", "mnist_hinton",
    }  # fmt: skip


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_recipe_is_accepted_compares_with_untaught_and_is_called_like_its_file(
    name: str,
) -> None:
    recipe = load(name).recipe
    assert recipe.name == name
    assert "untaught" in recipe.controls


@pytest.mark.parametrize("name", ["digits", "digits_assistants", "digits_unseen"])
def test_a_recipe_on_digits_passes_the_deep_check_anywhere(name: str, tmp_path: Path) -> None:
    assert stillhouse.check(load(name), home=tmp_path) == []


def test_the_demos_student_is_given_a_tenth_of_what_its_teachers_have(tmp_path: Path) -> None:
    data = data_of(load("digits"), tmp_path)
    assert len(data.teacher_ids()) == 1077
    assert len(data.student_ids) == 109
    assert len(data.labelled) == 109


def test_the_unseen_class_is_kept_from_the_student_alone(tmp_path: Path) -> None:
    loaded = load("digits_unseen")
    data = data_of(loaded, tmp_path)
    assert 3 not in data.targets[data.student_ids]
    assert set(np.delete(np.arange(10), 3)) == set(data.targets[data.student_ids])
    # Its teachers cover threes, and the correction finds threes in the validation part.
    assert 3 in data.targets[data.teacher_ids()]
    assert 3 in data.targets[data.validation_ids]
    assert set(loaded.recipe.student.objective) == {"soft_targets"}
    assert loaded.recipe.evaluate.prior_correction == "uniform"


def test_hintons_student_has_none_of_what_holds_its_teacher_in_check() -> None:
    recipe = load("mnist_hinton").recipe
    (teacher,) = recipe.teachers.values()
    assert teacher.train is not None and teacher.train.augment is not None
    assert (teacher.model.widths, teacher.model.dropout) == ((1200, 1200), 0.5)
    assert (teacher.train.augment.kind, teacher.train.augment.pixels) == ("shift", 2)
    assert teacher.train.max_norm != "none"
    student = recipe.student
    assert (student.model.widths, student.model.dropout) == ((800, 800), 0.0)
    assert recipe.transfer_set.augment.kind == "none"
    assert student.train.max_norm == "none"
    assert recipe.ensemble.temperature == 20


def test_hintons_recipe_passes_the_deep_check_on_mnist(data_root: Path, tmp_path: Path) -> None:
    loaded = load("mnist_hinton", f"transfer_set.root={data_root}")
    assert stillhouse.check(loaded, home=tmp_path) == []
    data = data_of(loaded, tmp_path / "cache")
    assert len(data.student_ids) == 55_000, "all but the validation part, of every class"


@pytest.mark.parametrize("name", ["cifar10_assistants", "digits_assistants"])
def test_along_a_path_of_assistants_each_model_is_smaller_and_compared_with_none(name: str) -> None:
    recipe = load(name).recipe
    (teacher,) = recipe.teachers.values()
    models = [teacher.model, *(entry.model for entry in recipe.schedule.path), recipe.student.model]
    sizes = [sum(model.widths) for model in models]
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == len(sizes)
    assert set(recipe.controls) == {"untaught", "direct"}
    # Every intermediate model is trained as the student is.
    assert all(entry.train is None and entry.objective is None for entry in recipe.schedule.path)


def test_the_plain_networks_have_the_published_depths_and_are_trained_as_published() -> None:
    recipe = load("cifar10_assistants").recipe
    (teacher,) = recipe.teachers.values()
    models = [teacher.model, *(entry.model for entry in recipe.schedule.path), recipe.student.model]
    assert [len(model.widths) for model in models] == [10, 8, 6, 4, 2]
    for train in (teacher.train, recipe.student.train):
        assert train is not None and train.epochs == 160
        assert (train.optimizer.momentum, train.optimizer.weight_decay) == (0.9, 1.0e-4)


def test_the_plain_networks_pass_the_deep_check(data_root: Path, tmp_path: Path) -> None:
    loaded = load("cifar10_assistants", f"transfer_set.root={data_root}")
    assert stillhouse.check(loaded, home=tmp_path) == []


def test_in_the_faculty_each_teacher_shows_another_level_and_has_a_vote() -> None:
    recipe = load("cifar10_faculty").recipe
    terms, teachers = recipe.student.objective, set(recipe.teachers)
    assert recipe.ensemble.weighting.kind == "adaptive"
    levels, order = terms["levels"], terms["order"]
    assert isinstance(levels, MultiGroupHint) and isinstance(order, TripletOrder)
    assert {group.teacher for group in levels.groups} == teachers
    assert len({group.guided for group in levels.groups}) == len(teachers)
    assert set(order.layers) == teachers
    assert {"relation_angle", "relation_distance"} <= set(terms)
    deepest = {name: teacher.model.depth for name, teacher in recipe.teachers.items()}
    assert [deepest[group.teacher] for group in levels.groups] == sorted(deepest.values())


@pytest.mark.parametrize("name", ["cifar10_faculty", "cifar10_resnets"])
def test_the_recipes_of_resnets_pass_the_deep_check_with_the_published_weights(
    name: str, data_root: Path, tmp_path: Path
) -> None:
    places = [f"transfer_set.root={data_root}", *weights_under(data_root, RESNETS)]
    assert stillhouse.check(load(name, *places), home=tmp_path) == []


def test_the_resnets_recipe_with_two_files_swapped_names_the_teachers_that_they_do_not_fit(
    data_root: Path, tmp_path: Path
) -> None:
    swapped = RESNETS | {56: RESNETS[44], 44: RESNETS[56]}
    places = [f"transfer_set.root={data_root}", *weights_under(data_root, swapped)]
    problems = stillhouse.check(load("cifar10_resnets", *places), home=tmp_path)
    assert {problem.path.split(".")[1] for problem in problems} == {"resnet56", "resnet44"}
