"""Claims about what ``stillhouse run --json`` prints of a run that ends early."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cluster.errors import RoleLost
from tests.refusals import invoke

NAME = "name=another"  # The recipe's file has yet another name.


@pytest.mark.parametrize(
    "wrong",
    ["student.train.epochs=0", "student.objective.near.hint=nowhere"],
    ids=["static", "deep"],
)
def test_a_refused_recipe_is_named(tmp_path: Path, wrong: str) -> None:
    result = invoke(tmp_path, "run", NAME, wrong, "--json")
    assert result.exit_code == 2
    printed = json.loads(result.stdout)
    assert (printed["name"], printed["outcome"]) == ("another", "failed")
    assert wrong.partition("=")[0] in printed["problem"]


@pytest.mark.parametrize(
    ("error", "outcome", "code"),
    [(KeyboardInterrupt(), "interrupted", 130), (RoleLost("gone"), "failed", 1)],
    ids=["interrupted", "failed"],
)
def test_a_run_that_breaks_off_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    outcome: str,
    code: int,
) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr("orchestrator.commands.run.run", fail)
    result = invoke(tmp_path, "run", NAME, "--json")
    assert result.exit_code == code
    assert json.loads(result.stdout) == {
        "name": "another", "outcome": outcome, "problem": str(error)
    }  # fmt: skip


def test_a_recipe_without_a_name_is_named_by_its_file(tmp_path: Path) -> None:
    result = invoke(tmp_path, "run", "name=null", "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["name"] == "recipe"
