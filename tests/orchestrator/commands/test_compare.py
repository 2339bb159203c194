"""Claims about ``stillhouse compare``."""

import json
from pathlib import Path

import pytest

from tests.orchestrator.command_line import stillhouse
from tests.orchestrator.report_samples import model
from tests.orchestrator.stored_homes import add_run


@pytest.fixture
def home(tmp_path: Path) -> Path:
    add_run(tmp_path, "plain", "11" * 16, age=5)
    add_run(tmp_path, "warm", "22" * 16, age=1, student=model("student", "student", 0.95))
    return tmp_path


def test_runs_stand_side_by_side_in_the_order_asked_for(home: Path) -> None:
    result = stillhouse(home, "compare", "plain", "latest")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [line.split() for line in result.stdout.splitlines() if "@" in line]
    assert lines[0][:5] == ["plain@111111111111", "done", "92.89", "88.89", "+4.00"]
    assert lines[1][:5] == ["warm@222222222222", "done", "95.00", "88.89", "+6.11"]


def test_comparison_as_json_is_one_object_with_all_reports(home: Path) -> None:
    printed = json.loads(stillhouse(home, "compare", "warm", "plain", "--json").stdout)
    assert [run["student"]["test"]["accuracy"] for run in printed["runs"]] == [0.95, 0.9289]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "0 `RUN` are given, but it takes two to compare; name another"),
        (("warm",), "1 `RUN` is given, but it takes two to compare; name another"),
        (("warm", "latest"), "`RUN` is 'latest', but warm@222222222222 is named already"),
        (("warm", "wram"), "`RUN` is 'wram', but no run is called that; did you mean `warm`?"),
    ],
)
def test_too_few_runs_or_the_same_twice_are_refused(
    home: Path, words: tuple[str, ...], sentence: str
) -> None:
    result = stillhouse(home, "compare", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert sentence in result.stderr
