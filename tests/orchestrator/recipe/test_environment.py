"""Claims about values from the environment: where they may stand, and that none is shown."""

from pathlib import Path

import pytest

from orchestrator.commands.init import TEMPLATE
from orchestrator.errors import RecipeProblems
from orchestrator.recipe.environment import resolve_environment
from orchestrator.recipe.loading import load_recipe, printable

SECRETS = {"URI": "postgresql://me:hunter2@host/db", "ROOT": "/secret/place", "N": "7"}


def loaded(folder: Path, *overrides: str, environment: dict[str, str] = SECRETS):
    file = folder / "recipe.yaml"
    file.write_text(TEMPLATE)
    return load_recipe(file, overrides, environment=environment)


def test_value_is_used_but_never_shown(tmp_path: Path) -> None:
    recipe = loaded(tmp_path, "tracking.uri=${env:URI}")
    assert recipe.recipe.tracking.uri == SECRETS["URI"]
    assert printable(recipe)["tracking"]["uri"] == "${env:URI}"
    assert "hunter2" not in str(printable(recipe)) + str(recipe.from_environment)


def test_places_of_files_may_come_from_the_environment(tmp_path: Path) -> None:
    recipe = loaded(
        tmp_path, "transfer_set={kind: mnist, root: '${env:ROOT}/mnist'}",
        "teachers.wide.train=null", "teachers.wide.weights=${env:ROOT}/w",
    )  # fmt: skip
    assert recipe.recipe.transfer_set.root == "/secret/place/mnist"
    assert recipe.recipe.teachers["wide"].weights.path == "/secret/place/w"
    assert printable(recipe)["transfer_set"]["root"] == "${env:ROOT}/mnist"
    assert printable(recipe)["teachers"]["wide"]["weights"]["path"] == "${env:ROOT}/w"


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("student.train.seed=${env:N}", "may only say where things are"),
        ("name=${env:N}", "may only say where things are"),
        ("tracking.uri=${env:ABSENT}", "the variable ABSENT is not set"),
        ("tracking.uri=${env:}", "names no variable"),
        ("tracking.uri='${env:A B}'", "names no variable"),
    ],
)
def test_reference_that_cannot_stand_is_one_problem_at_its_place(
    tmp_path: Path, override: str, part: str
) -> None:
    with pytest.raises(RecipeProblems) as found:
        loaded(tmp_path, override)
    [problem] = found.value.problems
    assert problem.path == override.partition("=")[0]
    assert part in problem.message


def test_no_problem_quotes_a_value_of_the_environment(tmp_path: Path) -> None:
    with pytest.raises(RecipeProblems) as found:
        loaded(tmp_path, "tracking.every=${env:URI}")
    [problem] = found.value.problems
    assert "hunter2" not in problem.message
    assert "'${env:URI}', but must be a whole number" in problem.message


def test_password_written_in_the_recipe_is_masked(tmp_path: Path) -> None:
    recipe = loaded(tmp_path, "tracking.uri=postgresql://me:hunter2@host/db")
    assert printable(recipe)["tracking"]["uri"] == "postgresql://me:***@host/db"


def test_text_without_a_reference_stays_as_it_is() -> None:
    data = {"a": ["$HOME", "${HOME}", "env:HOME"], "b": 1}
    resolved = resolve_environment(data, {"HOME": "x"})
    assert resolved.data == data
    assert not resolved.written
