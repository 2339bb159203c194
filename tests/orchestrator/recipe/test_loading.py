"""Claims about reading a recipe: what is accepted, and in which sentence the rest is refused."""

import pickle
from pathlib import Path

import pytest

from orchestrator.commands.init import TEMPLATE
from orchestrator.errors import Problem, RecipeProblems
from orchestrator.recipe.loading import LoadedRecipe, load_recipe, printable
from orchestrator.recipe.schema import shape_of
from orchestrator.recipe.yaml_values import dump_yaml
from orchestrator.schedule_config import Schedule

EXAMPLE = Path(__file__).parents[3] / "recipes" / "example.yaml"


def load(folder: Path, *overrides: str, text: str = TEMPLATE) -> LoadedRecipe:
    file = folder / "recipe.yaml"
    file.write_text(text, encoding="utf-8")
    return load_recipe(file, overrides, environment={"URI": "postgresql://me:secret@host/db"})


def problems(folder: Path, *overrides: str, text: str = TEMPLATE) -> dict[str, str]:
    with pytest.raises(RecipeProblems) as found:
        load(folder, *overrides, text=text)
    assert len({problem.path for problem in found.value.problems}) == len(found.value.problems)
    return {problem.path: problem.message for problem in found.value.problems}


def test_example_is_accepted_with_every_value_that_it_says() -> None:
    recipe = load_recipe(EXAMPLE).recipe
    assert recipe.search.scores == {"accuracy": "maximize", "parameters": "minimize"}
    assert recipe.student.objective["deep_hint"].kind == "hint"
    assert recipe.teachers["deep"].weights.path == "path/to/weights"
    assert recipe.student.train.optimizer.momentum == 0.9
    assert recipe.timeouts.teacher.total_seconds() == 60


def test_every_other_recipe_that_ships_is_accepted() -> None:
    for file in sorted(EXAMPLE.parent.glob("*.yaml")):
        if file != EXAMPLE:
            assert load_recipe(file).recipe.name


def test_template_is_accepted_and_its_lists_become_tuples(tmp_path: Path) -> None:
    recipe = load(tmp_path).recipe
    assert recipe.teachers["wide"].model.hidden == (256, 256)
    assert recipe.controls == ("untaught",)


@pytest.mark.parametrize("text", [TEMPLATE, EXAMPLE.read_text()])
def test_printed_recipe_is_the_same_recipe(tmp_path: Path, text: str) -> None:
    first = load(tmp_path, text=text)
    again = load(tmp_path, text=dump_yaml(printable(first)))
    assert again.recipe == first.recipe
    assert printable(again) == printable(first)


BAD = [
    ("student.train.epoch=5", "student.train.epoch",
     ["not a setting", "did you mean `epochs`?"]),
    ("studnt={}", "studnt",
     ["not a setting", "`student`"]),
    ("student.train.epochs='5'", "student.train.epochs",
     ["is '5'", "whole number from 1 to 100000", "write 5 without quotes"]),
    ("student.train.epochs=5.5", "student.train.epochs",
     ["is 5.5", "whole number"]),
    ("student.train.epochs=true", "student.train.epochs",
     ["is true", "whole number"]),
    ("student.train.epochs=0", "student.train.epochs",
     ["is 0, but must be a whole number from 1 to 100000; give that, or leave it out for 60"]),
    ("student.train.optimizer.lr=-1", "student.train.optimizer.lr",
     ["is -1", "from 1e-08 to 10; give"]),
    ("student.train.optimizer.lr=.nan", "student.train.optimizer.lr",
     ["is nan", "a number"]),
    ("student.train.optimizer.lr=.inf", "student.train.optimizer.lr",
     ["is inf", "a number"]),
    ("ensemble.temperature=.nan", "ensemble.temperature",
     ["is nan"]),
    ("student.model.hidden=[-16]", "student.model.hidden.0",
     ["is -16", "from 1 to 65536"]),
    ("student.model.hidden=16", "student.model.hidden",
     ["is 16", "a list"]),
    ("student.model.hiden=[4]", "student.model.hiden",
     ["kind 'mlp'", "did you mean `hidden`?"]),
    ("student.model.widen=4", "student.model.widen",
     ["kind 'mlp'", "but of wide_resnet"]),
    ("student.model={kind: mlpp}", "student.model",
     ["'mlpp'", "did you mean 'mlp'?", "resnet_cifar"]),
    ("student.model={hidden: [4]}", "student.model",
     ["has no `kind`", "mlp"]),
    ("student.model={kind: mlp}", "student.model",
     ["either hidden, or both depth and width"]),
    ("student.model=null", "student.model",
     ["is missing", "mlp"]),
    ("name=null", "name",
     ["is missing"]),
    ("name='../up'", "name",
     ["'../up'", "begins with a letter"]),
    ("transfer_set.validation=x", "transfer_set.validation",
     ["is 'x'", "'none'", "greater than 0 and less than 1"]),
    ("transfer_set.kind=digts", "transfer_set",
     ["'digts'", "did you mean 'digits'?"]),
    ("student.train.threads=0", "student.train.threads",
     ["is 0", "'auto', or a whole number from 1 to 1024"]),
    ("student.train.lr_schedule=cosin", "student.train.lr_schedule",
     ["'cosin'", "did you mean 'cosine'?"]),
    ("student.objective.soft_target={weight: 1}", "student.objective.soft_target",
     ["did you mean `soft_targets`?"]),
    ("student.objective.soft_targets.weight=-1", "student.objective.soft_targets.weight",
     ["is -1", "a number from 0 to 1e+06"]),
    ("student.objective.task.weight=[1]", "student.objective.task.weight",
     ["is [1]", "a number from 0 to 1e+06, or one of the kinds linear, ramp or stop"]),
    ("student.objective.task.weight='0.5'", "student.objective.task.weight",
     ["is '0.5'", "write 0.5 without quotes"]),
    ("student.objective.task.weight=ram", "student.objective.task.weight",
     ["is of kind 'ram'", "did you mean 'ramp'?"]),
    ("student.objective.task.weight={kind: 3}", "student.objective.task.weight",
     ["is of kind 3", "a kind is a word", "linear, ramp and stop"]),
    ("student.objective.task.weight={value: 1}", "student.objective.task.weight",
     ["has no `kind`", "linear, ramp and stop"]),
    ("student.objective.task.weight={kind: linear, start: 1, end: 0}",
     "student.objective.task.weight.epochs", ["is missing", "whole number of at least 1"]),
    ("student.objective.task.weight={kind: stop, value: -1, epoch: 3}",
     "student.objective.task.weight.value", ["is -1", "from 0 to 1e+06"]),
    ("student.objective.task.weight={kind: stop, value: 1, epoch: 0}",
     "student.objective.task.weight.epoch", ["is 0", "at least 1"]),
    ("student.objective.task.weight={kind: ramp, start: 1}",
     "student.objective.task.weight.start", ["kind 'ramp'", "but of linear"]),
    ("teachers.wide.train.objective.task.weight=-1", "teachers.wide.train.objective.task.weight",
     ["is -1", "from 0 to 1e+06"]),
    ("student.weights={pth: x, path: y}", "student.weights.pth",
     ["did you mean `path`?"]),
    ("student.weights=5", "student.weights",
     ["is 5", "'none'"]),
    ("teachers.wide.train=null", "teachers.wide",
     ["must have either train"]),
    ("teachers.wide.weights=file", "teachers.wide",
     ["must have either train"]),
    ("teachers={'w x': {model: {kind: mlp, hidden: [4]}, train: {}}}", "teachers.w x",
     ["is not a valid name", "a name of letters"]),
    ("controls=untaught", "controls",
     ["is 'untaught'", "a list"]),
    ("controls=[untaught, untaught]", "controls",
     ["must name each control once"]),
    ("schedule=two_stage", "schedule.first",
     ["is missing", "(objective, train, engine)"]),
    ("schedule={kind: two_stage, first: {}, freeze: [a, b, a]}", "schedule.freeze",
     ["is [a, b, a]", "must name each layer once", "take the repetition out"]),
    ("schedule={kind: two_stage, first: {objective: {task: 1}, epochs: 3}}",
     "schedule.first.epochs", ["not a setting"]),
    ("timeouts.rank=5 minutes", "timeouts.rank",
     ["'5 minutes'", "60s, 10m or 1h"]),
    ("tracking=5", "tracking",
     ["is 5", "a mapping of settings (uri, experiment, every)"]),
]  # fmt: skip


@pytest.mark.parametrize(("override", "path", "parts"), BAD, ids=[each[0] for each in BAD])
def test_bad_value_is_refused_in_one_sentence(
    tmp_path: Path, override: str, path: str, parts: list[str]
) -> None:
    found = problems(tmp_path, override)
    assert list(found) == [path]
    assert all(part in found[path] for part in [*parts, f"`{path}`"]), found[path]
    assert "\n" not in found[path]


SCHEDULES = shape_of(Schedule).kinds
OF_OTHERS = [
    (kind, option, other)
    for kind, section in SCHEDULES.items()
    for other, theirs in SCHEDULES.items()
    for option in sorted(theirs.model_fields.keys() - section.model_fields.keys())
]


@pytest.mark.parametrize(("kind", "option", "other"), OF_OTHERS)
def test_an_option_of_another_schedule_is_refused_with_the_one_that_has_it(
    tmp_path: Path, kind: str, option: str, other: str
) -> None:
    sentence = problems(tmp_path, f"schedule={{kind: {kind}, {option}: 2}}")[f"schedule.{option}"]
    begin = f"`schedule.{option}` is not a setting of kind '{kind}', but of "
    assert sentence.startswith(begin)
    assert other in sentence.removeprefix(begin)


UNSUPPORTED = [
    ("schedule={kind: mutual, peers: 3}", "schedule"),
    ("ensemble.on_teacher_loss={kind: degrade, quorum: 2}", "ensemble.on_teacher_loss"),
    ("cluster={mode: ray}", "cluster.mode"),
    ("cluster.address=auto", "cluster.address"),
]


@pytest.mark.parametrize(("override", "path"), UNSUPPORTED, ids=[each[0] for each in UNSUPPORTED])
def test_what_is_unsupported_is_refused_by_name(tmp_path: Path, override: str, path: str) -> None:
    found = problems(tmp_path, override)
    assert list(found) == [path]
    assert "not supported yet" in found[path]


@pytest.mark.parametrize(
    "override", ["ensemble.noise=none", "schedule=offline", "schedule={kind: offline}"]
)
def test_plain_words_of_unsupported_settings_are_accepted(tmp_path: Path, override: str) -> None:
    load(tmp_path, override)


def test_all_problems_are_reported_at_once_across_every_step(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        "nothing",  # cannot be read
        "name=${env:NAME}",  # not from the environment
        "cluster.mode=ray",  # not supported yet
        "student.train.epochs=-1",  # a wrong value
        "student.train.batch_size=65",  # a rule across sections
        "student.train.micro_batch_size=64",
        "studnt=1",  # an unknown key
    )
    assert set(found) == {
        "nothing", "name", "cluster.mode", "student.train.epochs", "student.train.batch_size",
        "studnt",
    }  # fmt: skip


def test_no_rule_judges_a_value_that_is_invalid_itself(tmp_path: Path) -> None:
    found = problems(tmp_path, "student.train.micro_batch_size=x", "student.train.batch_size=63")
    assert list(found) == ["student.train.micro_batch_size"]


FILES = [
    ("", "is empty"),
    ("# only words\n", "is empty"),
    ("- a\n- b\n", "is a list, but a recipe is a mapping"),
    ("just text", "is a plain value, but a recipe is a mapping"),
    ("name: a\nname: b\n", "has the key `name` twice, in lines 1 and 2"),
    ("student: {train: {epochs: 1, epochs: 2}}", "has the key `epochs` twice"),
    ("name: [1, 2", "not YAML at line 1"),
    ("name: !!python/object/apply:os.system ['true']", "not YAML at line 1"),
    ("name: 2020-01-01", "holds a date"),
    ("1: 2", "has the key 1, which is not text"),
    ("a: &a [*a]", "more than"),
    ("# " + "x" * 1_000_000, "larger than 1000000 bytes"),
]


@pytest.mark.parametrize(("text", "part"), FILES, ids=[each[1] for each in FILES])
def test_file_that_is_no_recipe_is_refused_in_one_sentence(
    tmp_path: Path, text: str, part: str
) -> None:
    found = problems(tmp_path, text=text)
    assert list(found) == [""]
    assert part in found[""]
    assert "\n" not in found[""]


def test_aliases_that_expand_without_end_are_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "expands to more than" in problems(tmp_path, text="\n".join(lines))[""]


def test_absent_recipe_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RecipeProblems, match=r"does not exist; `stillhouse init`"):
        load_recipe(tmp_path / "nowhere.yaml")
    with pytest.raises(RecipeProblems, match="is a folder"):
        load_recipe(tmp_path)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00name")
    with pytest.raises(RecipeProblems, match="is not UTF-8 text"):
        load_recipe(tmp_path / "binary.yaml")


def test_numbers_are_read_as_people_write_them(tmp_path: Path) -> None:
    recipe = load(tmp_path, "student.train.optimizer.weight_decay=1e-3").recipe
    assert recipe.student.train.optimizer.weight_decay == 0.001


def test_options_alone_mean_the_default_kind(tmp_path: Path) -> None:
    text = TEMPLATE.replace("optimizer: {kind: sgd, lr: 0.1, weight_decay: 0.0005}", "seed: 1")
    recipe = load(tmp_path, "student.train.optimizer.lr=0.3", text=text).recipe
    assert recipe.student.train.optimizer.lr == 0.3
    assert recipe.student.train.optimizer.kind == "sgd"


def test_problems_survive_a_process_boundary() -> None:
    error = RecipeProblems([Problem("a.b", "`a.b` is 1; make it 2")])
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert again.problems == error.problems
    assert str(again) == "`a.b` is 1; make it 2"
