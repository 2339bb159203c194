"""How often what is stored is read in a run of which one number has changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.execution import stage_teacher
from orchestrator.home import store
from students.storage import outcome
from tests.refusals import invoke
from tests.running import Finished, undisturbed


class Counted:
    """Calls of functions, by name and first argument."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.patch = patch
        self.calls: dict[str, list[Any]] = {}

    def count(self, module: Any, name: str) -> None:
        """Counts the calls of a module's function."""
        function, calls = getattr(module, name), self.calls.setdefault(name, [])

        def counted(first: Any, *given: Any) -> Any:
            calls.append(first)
            return function(first, *given)

        self.patch.setattr(module, name, counted)


@pytest.fixture(scope="module")
def rerun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Finished, Counted]]:
    first = undisturbed(tmp_path_factory)
    home = first.copied(tmp_path_factory.mktemp("rerun"))
    copy = Finished(first.folder, home, first.object)
    with pytest.MonkeyPatch.context() as patch:
        counted = Counted(patch)
        counted.count(store, "read_outcomes")
        counted.count(outcome, "file_sha256")
        counted.count(stage_teacher, "model_fingerprint")
        again = Finished(first.folder, home, copy.again("student.train.seed=5"))
        yield again, counted


def test_the_outcome_of_each_stage_is_read_and_hashed_once(
    rerun: tuple[Finished, Counted],
) -> None:
    again, counted = rerun
    assert again.ran() == ["student", "controls.untaught"]
    hashed = Counter(counted.calls["file_sha256"])
    assert {path.parents[2].name for path in hashed} == set(again.digests().values())
    assert set(hashed.values()) == {1}
    read = Counter(path.name for path in counted.calls["read_outcomes"])
    for teacher in ("teachers.wide", "teachers.deep"):
        assert read[again.digests()[teacher]] == 1


def test_what_answers_depend_on_is_described_once_by_each_who_asks(
    rerun: tuple[Finished, Counted],
) -> None:
    """For the student's stage alone: before it begins, while it runs, and in its report."""
    described = Counter(model.kind for model in rerun[1].calls["model_fingerprint"])
    assert described.keys() == {"mlp", "plain_cnn"}, "those of its teachers"
    assert max(described.values()) <= 3


def test_check_creates_no_folder_and_no_file(
    rerun: tuple[Finished, Counted], tmp_path: Path
) -> None:
    result = invoke(tmp_path, "check", home=tmp_path / "home")
    assert result.exit_code == 0, result.output
    assert not (tmp_path / "home").exists()
    home = rerun[0].home
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}
    result = invoke(tmp_path, "check", "student.train.seed=6", home=home)
    assert result.exit_code == 0, result.output
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*")} == before
