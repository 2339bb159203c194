"""Claims about the recipe to start from."""

from pathlib import Path

from orchestrator.commands.init import TEMPLATE
from orchestrator.recipe.loading import load_recipe
from tests.orchestrator.command_line import stillhouse


def init(file: Path, *options: str) -> tuple[int, str]:
    result = stillhouse(file.parent / "home", "init", str(file), *options)
    return result.exit_code, result.stderr


def test_written_recipe_passes_check_without_a_change(tmp_path: Path) -> None:
    assert init(tmp_path / "r.yaml") == (0, "")
    recipe = load_recipe(tmp_path / "r.yaml").recipe
    assert len(recipe.teachers) == 2
    assert set(recipe.student.objective) == {"task", "soft_targets"}


def test_what_stands_there_is_not_overwritten_unless_forced(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text("mine")
    code, message = init(file)
    assert code == 2
    assert "already exists; choose another name, or --force" in message
    assert file.read_text() == "mine"
    assert init(file, "--force") == (0, "")
    assert file.read_text() == TEMPLATE


def test_place_that_cannot_hold_a_file_is_named(tmp_path: Path) -> None:
    code, message = init(tmp_path / "absent" / "r.yaml")
    assert code == 2
    assert "does not exist; make it first" in message
    code, message = init(tmp_path, "--force")
    assert code == 2
    assert "is a folder" in message
