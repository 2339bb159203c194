"""Our top-level packages are found whatever a user's own modules are called."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from cluster.own_packages import LIBRARIES, OWN_PACKAGES, ROOT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder, with a module of each name of ours."""
    for name in OWN_PACKAGES:
        (tmp_path / f"{name}.py").write_text("def run():\n    return 1\n")
    return tmp_path


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder}:{ROOT}"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_every_package_that_is_installed_is_one_of_them() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    found = project["tool"]["setuptools"]["packages"]["find"]["include"]
    assert {each.removesuffix("*") for each in found} == set(OWN_PACKAGES)


def test_python_m_stillhouse_is_the_command(folder: Path) -> None:
    result = python(folder, "-m", "stillhouse", "init", "new.yaml")
    assert result.returncode == 0, result.stderr
    result = python(folder, "-m", "stillhouse", "check", "new.yaml")
    assert result.returncode == 0, result.stderr
    assert "Plan of" in result.stdout
    result = python(folder, "-m", "stillhouse", "chek")
    assert result.returncode == 2
    assert result.stderr.startswith("Usage: stillhouse ")


def test_the_command_that_is_installed_is_the_same(folder: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["scripts"] == {"stillhouse": "stillhouse:main"}
    result = python(folder, "-c", "from stillhouse import main; main()", "--help")
    assert result.returncode == 0, result.stderr


def test_a_script_beside_such_modules_imports_the_interface(folder: Path) -> None:
    (folder / "script.py").write_text(
        "import stillhouse\nprint(stillhouse.Session, stillhouse.load_recipe)\n"
    )
    result = python(folder, "script.py")
    assert result.returncode == 0, result.stderr
    assert "orchestrator.execution.session" in result.stdout


def test_a_module_that_was_imported_before_is_named(folder: Path) -> None:
    result = python(folder, "-c", "import students; import stillhouse")
    assert result.returncode == 1
    assert f"'{folder / 'students.py'}' was imported as `students`" in result.stderr


@pytest.mark.parametrize("name", ["yaml", "ray"])
def test_a_file_in_place_of_a_library_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.py").write_text("x = 1\n")
    result = python(tmp_path, "-m", "stillhouse", "check", "recipe.yaml")
    assert result.returncode == 2
    [sentence] = result.stderr.splitlines()
    assert sentence.startswith(f"'{tmp_path / name}.py' would be imported in place of the library")


def test_the_libraries_are_those_that_are_installed_with_us() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[<>=,]", each)[0] for each in project["dependencies"]}
    other = {"pyyaml": "yaml", "scikit-learn": "sklearn"}
    assert {*LIBRARIES} - {"PIL"} == {other.get(name, name) for name in names}
    for name in LIBRARIES:
        found = importlib.util.find_spec(name)
        assert found is not None
        assert found.submodule_search_locations, "a folder"
