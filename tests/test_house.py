"""Rules for the whole source: sizes, names, maps of packages, where the environment is read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("orchestrator", "search", "teachers", "students", "cluster")

LARGEST_FILE = 300
LARGEST_TEST_FILE = 400
"""A contract suite or a table of cases may be longer."""
LARGEST_FUNCTION = 60

VAGUE_NAMES = {"utils", "util", "common", "helpers", "helper", "misc", "base", "core", "manager"}
"""Names of files that do not describe their contents."""
AMBIGUOUS = {"alpha", "beta", "worker", "workers", "manager", "utils"}
"""Words that mean something else in each library of this field."""
DIALECT = re.compile(
    r"\b(pupils?|surroundings|faculty|gatekeep\w*|shelving|told|heard|nobod(y|ys|ies)|lessons?"
    r"|foretold|listened to|standstill|learnt|thinks?|graduate[sd]?|rightly|anew"
    r"|mend(s|ed)?|sees? to|whoever|judge[sd]?|judging|one after the other)\b",
    re.IGNORECASE,
)
"""Words for which the field has a standard term."""
OLD_NAMES = {
    "manner", "Manner", "around", "settle", "settled", "take_away", "going", "noughts",
    "OURS", "YOURS", "Notes", "Books",
}  # fmt: skip
"""Names that were replaced by standard terms, or that meant two things."""

READERS_OF_THE_ENVIRONMENT = {
    "stillhouse", "orchestrator.commands.run", "orchestrator.commands.search",
    "orchestrator.recipe.environment",
    "orchestrator.tracking.mlflow_tracker", "students.engines.deepspeed_engine",
    "students.engines.process_group", "cluster.ray.session", "teachers.inference.runnable",
    "students.fault_injection",
}  # fmt: skip
"""The command line, the recipe's ``${env:NAME}``, the doors to libraries that are set by it, and
the tests' plan of faults."""


def modules() -> list[Path]:
    found = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return [ROOT / "stillhouse.py", *found]


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def beside_the_house() -> list[Path]:
    return [p for folder in ("tests", "benchmarks") for p in sorted((ROOT / folder).rglob("*.py"))]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert node.end_lineno is not None
            yield f"{name_of(path)}:{node.name}", node.end_lineno - node.lineno + 1


def test_no_file_is_longer_than_one_idea() -> None:
    sizes = {name_of(path): len(path.read_text().splitlines()) for path in modules()}
    assert {name: lines for name, lines in sizes.items() if lines > LARGEST_FILE} == {}
    sizes = {name_of(path): len(path.read_text().splitlines()) for path in beside_the_house()}
    assert {name: lines for name, lines in sizes.items() if lines > LARGEST_TEST_FILE} == {}


def test_no_function_is_too_long() -> None:
    every = [each for path in modules() for each in functions(path)]
    assert len(every) > 500, "they were found"
    assert [(name, lines) for name, lines in every if lines > LARGEST_FUNCTION] == []


def test_no_file_has_a_vague_name() -> None:
    paths = [*modules(), *beside_the_house()]
    names = {part for path in paths for part in path.relative_to(ROOT).with_suffix("").parts}
    assert names & VAGUE_NAMES == set()


def test_words_that_mean_many_things_are_not_used() -> None:
    used = {
        (name_of(path), word)
        for path in modules()
        for node in ast.walk(tree(path))
        for word in (getattr(node, kind, None) for kind in ("id", "arg", "name"))
        if word in AMBIGUOUS
    }
    assert used == set()


def test_the_fields_terms_are_used_in_the_source() -> None:
    found = {
        (name_of(path), word[0])
        for path in modules()
        for word in DIALECT.finditer(path.read_text().replace("_", " "))
    }
    assert found == set()
    names = {
        (name_of(path), word)
        for path in modules()
        for node in ast.walk(tree(path))
        for word in (getattr(node, kind, None) for kind in ("id", "arg", "name", "attr"))
        if word in OLD_NAMES
    }
    assert names == set()


def packages() -> list[Path]:
    return sorted(path.parent for path in modules() if path.name == "__init__.py")


@pytest.mark.parametrize("package", packages(), ids=name_of)
def test_a_package_is_a_docstring_that_maps_it(package: Path) -> None:
    found = tree(package / "__init__.py")
    text = ast.get_docstring(found)
    assert text is not None
    assert len(found.body) == 1, "nothing but the docstring"
    words = set(text.replace("`", " ").replace(",", " ").split())
    inside = {path.stem for path in package.glob("*.py")} - {"__init__"}
    inside |= {path.parent.name for path in package.glob("*/__init__.py")}
    assert inside - words == set(), "not on the map"


def test_every_module_states_its_idea_in_one_sentence() -> None:
    for path in modules():
        text = ast.get_docstring(tree(path))
        assert text, name_of(path)
        first = text.split("\n\n")[0].replace("\n", " ")
        assert first.rstrip().endswith((".", ":", "?")), name_of(path)


def test_the_environment_is_read_in_few_modules() -> None:
    reading = {
        name_of(path)
        for path in modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "putenv")
    }
    assert reading == READERS_OF_THE_ENVIRONMENT


def test_nothing_sleeps_or_prints_past_the_console() -> None:
    called = {
        (name_of(path), ast.unparse(node.func))
        for path in modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
    }
    forbidden = {
        "time.sleep", "sleep", "print", "eval", "exec", "pickle.load", "pickle.loads", "os.system",
    }  # fmt: skip
    found = {(module, call) for module, call in called if call in forbidden}
    # A user's own file is run, after its bytes were hashed; a fault of a test is to be slow.
    assert found == {("students.custom_code", "exec"), ("students.fault_injection", "time.sleep")}


READERS_OF_RECIPES = (
    "stillhouse",
    *(f"orchestrator.{each}" for each in ("recipe", "planning", "deep_check", "commands")),
    *(f"orchestrator.{each}" for each in ("run", "run_graph", "complete_run")),
)
"""All others take stages."""


def test_only_the_planner_and_what_checks_recipes_read_them() -> None:
    found = {
        name_of(path)
        for path in modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and node.attr == "recipe"
    }
    assert {name for name in found if not name.startswith(READERS_OF_RECIPES)} == set()


def test_no_module_takes_one_student_out_of_a_cohort() -> None:
    found = {
        (name_of(path), node.lineno)
        for path in modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Subscript) and ast.unparse(node).endswith("cohort[0]")
    }
    assert found == set()
