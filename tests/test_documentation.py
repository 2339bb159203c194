"""The pages name what exists: files, folders, recipes, commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from orchestrator.cli import main
from orchestrator.recipe.loading import load_recipe

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FOLDERS = "orchestrator|teachers|students|search|cluster|benchmarks|tests|docs|recipes"
EXAMPLES = {"total_variation.py", "margin.py", "two_convolutions.py"}
"""Files that ``docs/extending.md`` has its reader write."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_and_link_of_a_page_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(rf"`((?:{FOLDERS})/[\w./-]*)`", text)
    linked = [page.parent / link for link in re.findall(r"\]\(([^)#:]+)\)", text)]
    missing = [path for path in (*(ROOT / name for name in named), *linked) if not path.exists()]
    assert [str(path) for path in missing if path.name not in EXAMPLES] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_benchmark_of_a_page_exists(page: Path) -> None:
    for name in re.findall(r"python -m benchmarks\.(\w+)", page.read_text(encoding="utf-8")):
        assert (ROOT / "benchmarks" / f"{name}.py").exists()


def test_the_readme_has_the_recipe_of_the_demo_and_commands_that_exist(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    [recipe] = re.findall(r"^```yaml\n(name: .*?)```$", text, re.MULTILINE | re.DOTALL)
    assert yaml.safe_load(recipe) == yaml.safe_load((ROOT / "recipes/digits.yaml").read_text())
    (tmp_path / "digits.yaml").write_text(recipe)
    assert load_recipe(tmp_path / "digits.yaml").recipe.name == "digits"
    commands = set(re.findall(r"^stillhouse (\w+)", text, re.MULTILINE))
    assert commands - set(main.list_commands(None)) == set()  # type: ignore[arg-type]
