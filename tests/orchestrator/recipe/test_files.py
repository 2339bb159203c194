"""A recipe that is written elsewhere names the same files."""

from __future__ import annotations

from pathlib import Path

import yaml

from orchestrator.recipe.files import printable_anywhere
from orchestrator.recipe.loading import load_recipe

RECIPE = {
    "name": "files",
    "transfer_set": {"kind": "image_folder", "root": "pictures", "size": 8},
    "teachers": {
        "v1.0": {"model": {"kind": "mlp", "hidden": [8]}, "weights": "nets/one.pt"},
        "own": {"model": {"kind": "custom", "source": "net.py:make"}, "train": {}},
    },
    "student": {"model": {"kind": "mlp", "hidden": [8]}, "objective": {"soft_targets": 1.0}},
}


def test_relative_paths_are_those_of_the_recipes_folder(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(RECIPE))
    first = load_recipe(file)
    plain = printable_anywhere(first)
    assert plain["transfer_set"]["root"] == str(tmp_path / "pictures")
    assert plain["teachers"]["v1.0"]["weights"]["path"] == str(tmp_path / "nets" / "one.pt")
    assert plain["teachers"]["own"]["model"]["source"] == f"{tmp_path / 'net.py'}:make"
    elsewhere = tmp_path / "other" / "best.yaml"
    elsewhere.parent.mkdir()
    elsewhere.write_text(yaml.safe_dump(plain))
    assert printable_anywhere(load_recipe(elsewhere)) == plain


def test_paths_of_the_user_and_of_the_environment_stay_as_they_are_written(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(RECIPE))
    changes = ("transfer_set.root=~/pictures", "teachers.v1.0.weights=${env:NET}")
    plain = printable_anywhere(load_recipe(file, changes, environment={"NET": "two.pt"}))
    assert plain["transfer_set"]["root"] == "~/pictures"
    assert plain["teachers"]["v1.0"]["weights"]["path"] == "${env:NET}"
