"""Claims about the command line: what it prints where, its exit codes, what it imports."""

import errno
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cluster.errors import CannotPlace, RoleLost
from orchestrator import cli
from orchestrator.commands.check import plan_rows
from orchestrator.commands.init import TEMPLATE
from orchestrator.errors import Problem, RecipeProblems
from orchestrator.exit_codes import ending_of
from orchestrator.recipe.loading import LoadedRecipe
from students.errors import CheckpointError, WeightsError
from tests import small
from tests.orchestrator.command_line import answers_sooner_than_torch_is_imported, stillhouse


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The path of a good recipe; its plan is replaced by one that prints its arguments."""

    def print_plan(loaded: LoadedRecipe, home: Path) -> None:
        print(f"plan of {loaded.recipe.name} in {home}")

    monkeypatch.setattr("orchestrator.commands.check.print_plan", print_plan)
    monkeypatch.setattr(
        "orchestrator.commands.check.plan_rows", lambda loaded, home: [{"name": "student"}]
    )
    file = tmp_path / "recipe.yaml"
    file.write_text(TEMPLATE)
    return str(file)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, arguments)


def test_check_prints_the_whole_recipe_its_plan_and_what_it_did_not_check(recipe: str) -> None:
    result = run(
        "--home", "/somewhere", "check", recipe, "student.train.epochs=5", "--set", "seed=3"
    )
    assert result.exit_code == 0
    assert "epochs: 5\n" in result.stdout
    assert "seed: 3\n" in result.stdout
    assert "gradient_clipping: 1.0" in result.stdout
    assert "plan of first in /somewhere" in result.stdout
    assert "Not checked" in result.stdout
    assert result.stderr == ""


def test_check_names_absent_weights_and_only_the_deep_check_refuses_them(recipe: str) -> None:
    overrides = ("teachers.wide.train=null", "teachers.wide.weights=absent.pt")
    static = run("check", recipe, *overrides)
    assert static.exit_code == 0
    sentence = "`teachers.wide.weights.path` is 'absent.pt', which does not exist"
    assert sentence in static.stdout
    deep = run("check", recipe, *overrides, "--deep")
    assert deep.exit_code == 2
    assert deep.stderr.startswith(sentence)
    assert deep.stdout == ""


def test_digests_that_are_not_known_have_a_sentence_as_their_reason(tmp_path: Path) -> None:
    loaded = small.loaded(tmp_path, "teachers.deep.train=null", "teachers.deep.weights=absent.pt")
    sentence = "`teachers.deep.weights.path` is 'absent.pt', which does not exist; give the path"
    assert plan_rows(loaded, tmp_path)[0]["reason"].startswith(sentence)


def test_deep_check_examines_models_too(recipe: str, tmp_path: Path) -> None:
    hint = "{kind: hint, teacher: wide, hint: nowhere, guided: hidden.0}"
    home = ("--home", str(tmp_path / "home"))
    result = run("check", recipe, f"student.objective.near={hint}", "--deep", *home)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("`student.objective.near.hint` is 'nowhere', which is not a ")


def test_problems_are_a_line_each_on_standard_error(recipe: str) -> None:
    result = run("check", recipe, "student.train.epochs=0", "studnt=1")
    assert result.exit_code == 2
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 2
    assert all("`" in line and ";" in line for line in lines)


def test_json_is_one_object_alone_on_standard_output(recipe: str) -> None:
    good = json.loads(run("check", recipe, "--json").stdout)
    assert good["name"] == "first"
    assert good["problems"] == []
    assert good["stages"] == [{"name": "student"}]
    assert good["recipe"]["student"]["train"]["checkpoint"] == {"every": "epoch", "keep": 2}
    bad = run("check", recipe, "--json", "student.train.epochs=0")
    assert bad.exit_code == 2
    assert json.loads(bad.stdout)["name"] == "first"
    [problem] = json.loads(bad.stdout)["problems"]
    assert problem["path"] == "student.train.epochs"


def test_check_notes_what_is_not_wrong_but_should_be_known(recipe: str) -> None:
    smoothed = "teachers.wide.train.objective.task.label_smoothing=0.1"
    note = "Teacher wide (0.1) is trained with label smoothing"
    message = run("check", recipe, smoothed).stdout
    assert f"Notes:\n- {note}" in message
    (printed,) = json.loads(run("check", recipe, smoothed, "--json").stdout)["notes"]
    assert printed.startswith(note)
    assert "Notes:" not in run("check", recipe).stdout
    assert json.loads(run("check", recipe, "--json").stdout)["notes"] == []


def test_init_then_check_works(recipe: str, tmp_path: Path) -> None:
    file = str(tmp_path / "new.yaml")
    assert run("init", file).exit_code == 0
    assert run("check", file).exit_code == 0
    again = run("init", file)
    assert again.exit_code == 2
    assert "already exists" in again.stderr
    assert run("init", file, "--force").exit_code == 0


def test_misspelt_command_names_the_nearest(recipe: str) -> None:
    result = run("chek", recipe)
    assert result.exit_code == 2
    assert "'chek' is not a command; did you mean `check`?" in result.stderr


ENDINGS = [
    (RecipeProblems([Problem("a", "`a` is 1; make it 2")]), 2, "`a` is 1; make it 2"),
    (WeightsError("`w` is damaged; fetch it again"), 2, "`w` is damaged"),
    (CannotPlace("`ranks` is 9; lower it"), 2, "`ranks` is 9"),
    (RoleLost("teacher 'wide' is gone"), 1, "is gone"),
    (CheckpointError("the checkpoint cannot be written"), 1, "cannot be written"),
    (PermissionError(errno.EACCES, "Permission denied", "/x"), 2, "cannot be used: permission"),
    (OSError(errno.EROFS, "Read-only file system", "/ro"), 2, "read-only file system"),
    (OSError(errno.ENOSPC, "No space left on device", "/full"), 1, "the disk is full ('/full')"),
    (OSError(errno.EFBIG, "File too large", "/long"), 1, "'/long' is larger than a file may be"),
    (KeyboardInterrupt(), 130, "interrupted"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "code", "part"), ENDINGS, ids=lambda each: type(each).__name__)
def test_error_ends_with_its_code_and_sentence_and_no_traceback(
    recipe: str, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, part: str
) -> None:
    def fail(loaded: object, home: Path) -> None:
        raise error

    monkeypatch.setattr("orchestrator.commands.check.print_plan", fail)
    result = run("check", recipe)
    assert result.exit_code == code
    assert part in result.stderr
    assert "Traceback" not in result.stderr


def test_defect_keeps_its_traceback() -> None:
    assert ending_of(ZeroDivisionError()) is None
    assert ending_of(BrokenPipeError(errno.EPIPE, "Broken pipe")) is None


@pytest.mark.parametrize(
    "arguments", [("--help",), ("check", "--help"), ("check", "bad.yaml"), ("check", "good.yaml")]
)
def test_answers_come_without_the_frameworks_and_sooner_than_torch(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "good.yaml").write_text(TEMPLATE)
    (tmp_path / "bad.yaml").write_text(TEMPLATE.replace("epochs: 60", "epochs: none"))
    code = 2 if "bad.yaml" in arguments else 0
    places = [str(tmp_path / each) if each.endswith("yaml") else each for each in arguments]
    assert answers_sooner_than_torch_is_imported(tmp_path, *places, exit_code=code)


def test_home_comes_from_the_option_then_from_the_environment(
    recipe: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STILLHOUSE_HOME", str(tmp_path / "env"))
    assert f"in {tmp_path / 'env'}" in run("check", recipe).stdout
    option, after = str(tmp_path / "option"), str(tmp_path / "after")
    assert f"in {option}" in run("--home", option, "check", recipe).stdout
    assert f"in {after}" in run("check", "--home", after, recipe).stdout
    assert f"in {after}" in run("check", recipe, "--home", after).stdout


def test_of_two_homes_the_last_one_counts(recipe: str, tmp_path: Path) -> None:
    first, last = str(tmp_path / "first"), str(tmp_path / "last")
    assert f"in {last}\n" in run("--home", first, "check", recipe, "--home", last).stdout
    message = run("--home", first, "bank", "--home", first, "list", "--home", last).stdout
    assert f"The bank in '{last}' is empty." in message
    assert f"'{last}'" in run("--home", first, "bank", "--home", last).stdout
    assert f"'{last}'" in run("--home", first, "bank", "--home", last, "list").stdout


@pytest.mark.parametrize("command", ["run", "check", "list", "report", "compare", "bank", "clean"])
def test_every_command_that_uses_a_home_shows_the_option(command: str) -> None:
    message = run(command, "--help").stdout
    assert "--home DIRECTORY" in message
    assert "STILLHOUSE_HOME" in message


def test_check_prints_both_stages_of_a_student_and_how_many_layers_are_frozen(
    tmp_path: Path,
) -> None:
    first = "{objective: {soft_targets: 1.0}, train: {epochs: 1}}"
    schedule = f"schedule={{kind: two_stage, first: {first}, freeze: [hidden.0]}}"
    rows = plan_rows(small.loaded(tmp_path, schedule), tmp_path / "home")
    assert {row["name"]: row["does"] for row in rows[2:4]} == {
        "first_stage": "teaches mlp, 1 epoch",
        "student": "teaches mlp, 3 epochs, 1 layer frozen",
    }


def test_a_space_is_checked_at_its_corners(tmp_path: Path) -> None:
    space = {
        "student.train.epochs": {"int": [0, 3]},
        "student.train.epoch": {"int": [1, 3]},
    }
    file = small.written(tmp_path, {**small.recipe(), "search": {"space": space}})
    result = stillhouse(tmp_path / "home", "check", str(file))
    assert result.exit_code == 2
    first, second = result.stderr.splitlines()
    assert first.startswith("`search.space.student.train.epochs` allows 0, but then the rules ")
    assert second == (
        "`search.space.student.train.epoch` is refused whatever is drawn for it: "
        "`student.train.epoch` is not a setting; did you mean `epochs`?"
    )
    answer = json.loads(stillhouse(tmp_path / "home", "check", str(file), "--json").stdout)
    assert [each["path"] for each in answer["problems"]] == [
        f"search.space.{path}" for path in space
    ]
