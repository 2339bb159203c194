"""The examples of docs/extending.md are complete: each is one file and one catalog line."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text()
FILES = dict(re.findall(r"^`([\w/]+\.py)`\n\n```python\n(.*?)```$", PAGE, re.MULTILINE | re.DOTALL))
RECIPE = re.findall(r"^```yaml\n(.*?)```$", PAGE, re.MULTILINE | re.DOTALL)
PACKAGES = ("cluster", "students", "teachers", "search", "orchestrator")


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages with the page's files and catalog lines in it."""
    house = tmp_path_factory.mktemp("house")
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, house / package, ignore=ignored)
    for name, text in FILES.items():
        file = house / name
        if file.name == "catalog.py":
            catalog = file.read_text()
            file.write_text(catalog.replace("\n}\n", f"\n{text}}}\n", 1))
        else:
            assert not file.exists()
            file.write_text(text)
    (house / "recipe.yaml").write_text(*RECIPE)
    return house


def python(house: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(house)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=house, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_each_example_is_one_file_and_one_catalog_line() -> None:
    catalogs = {name: text for name, text in FILES.items() if name.endswith("catalog.py")}
    assert len(FILES) == 6 and len(catalogs) == 3
    assert all(text.count("\n") == 1 for text in catalogs.values())


def test_recipes_with_the_examples_are_read_without_torch(extended: Path) -> None:
    program = (
        "import sys; from orchestrator.recipe.loading import load_recipe\n"
        "student = load_recipe('recipe.yaml').recipe.student\n"
        "assert not {'torch', 'numpy'} & sys.modules.keys()\n"
        "print(student.model.kind, *student.objective)"
    )
    assert python(extended, "-c", program) == "two_convolutions task total_variation\n"


@pytest.mark.slow
def test_a_student_is_trained_with_the_examples(extended: Path) -> None:
    main = "from orchestrator.cli import main; main()"
    command = ["run", "recipe.yaml", "--home=home", "--json"]
    command += [f"teachers.{name}.engine.kind=torch" for name in ("wide", "convolutional")]
    report = json.loads(python(extended, "-c", main, *command))
    assert report["outcome"] == "done"
    assert report["student"]["parameters"] == 8 * 9 + 8 + 8 * 8 * 9 + 8 + 8 * 10 + 10
    assert set(report["teachers"]) == {"wide", "convolutional"}
    assert report["student"]["test"]["accuracy"] > 0
