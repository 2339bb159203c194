"""Claims about the recipe to start from."""

from pathlib import Path

import pytest

from orchestrator.errors import RecipeProblems
from orchestrator.recipe.init import TEMPLATE, write_recipe
from orchestrator.recipe.loading import load_recipe


def test_written_recipe_passes_check_without_a_change(tmp_path: Path) -> None:
    write_recipe(tmp_path / "r.yaml")
    recipe = load_recipe(tmp_path / "r.yaml").recipe
    assert len(recipe.teachers) == 2
    assert set(recipe.student.objective) == {"task", "soft_targets"}


def test_what_stands_there_is_not_overwritten_unless_forced(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text("mine")
    with pytest.raises(RecipeProblems, match="already exists; choose another name, or --force"):
        write_recipe(file)
    assert file.read_text() == "mine"
    write_recipe(file, force=True)
    assert file.read_text() == TEMPLATE


def test_place_that_cannot_hold_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeProblems, match="does not exist; make it first"):
        write_recipe(tmp_path / "absent" / "r.yaml")
    with pytest.raises(RecipeProblems, match="is a folder"):
        write_recipe(tmp_path, force=True)
