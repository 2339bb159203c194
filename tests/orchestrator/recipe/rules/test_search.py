"""What is refused and noted of a section ``search``, before anything begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import RecipeProblems
from orchestrator.planning.trials import read_search, refuse_more_than_all_gpus
from orchestrator.recipe.advice import notes
from tests import small

WEIGHT = "student.objective.soft_targets.weight"
TASK = "student.objective.task.weight"
SHARE = {"float": [0.0, 1.0]}
WIDTH = {"list": {"int": [8, 32]}, "length": 1}
ASSISTANT = {"kind": "assistants", "path": [{"kind": "mlp", "hidden": [{"int": [17, 60]}]}]}
CHOICE = {"choice": {"direct": "offline", "by_one": ASSISTANT}}


def recipe(space: dict[str, Any] | None = None, **section: Any) -> dict[str, Any]:
    given = {WEIGHT: SHARE} if space is None else space
    return {**small.recipe(), "search": {"space": given, **section}}


def problems(
    folder: Path, space: dict[str, Any] | None = None, *overrides: str, **section: Any
) -> dict[str, str]:
    try:
        read_search(small.loaded(folder, *overrides, data=recipe(space, **section)))
    except RecipeProblems as found:
        return {problem.path: problem.message for problem in found.problems}
    return {}


def test_a_space_of_all_kinds_is_valid(tmp_path: Path) -> None:
    space = {
        WEIGHT: SHARE,
        TASK: {"complement": WEIGHT},
        "student.model.hidden.0": {"int": [8, 32], "log": True},
        "student.model.dropout": {"categorical": [0.0, 0.1]},
        "schedule": CHOICE,
    }
    assert problems(tmp_path, space) == {}


@pytest.mark.parametrize(
    ("space", "section", "path", "part"),
    [
        ({WEIGHT: SHARE, "student.objective.soft_targets.wieght": SHARE}, {},
         "search.space.student.objective.soft_targets.wieght",
         "is refused whatever is drawn for it: `student.objective.soft_targets.wieght` is not a "
         "setting of kind 'soft_targets'; did you mean `weight`?"),
        ({"studnt.model.dropout": SHARE}, {}, "search.space.studnt.model.dropout",
         "is refused whatever is drawn for it: `studnt` is not a setting; did you mean `student`?"),
        ({"schedule": CHOICE, "schedule.path": {"categorical": [1, 2]}}, {},
         "search.space.schedule.path",
         "lies inside `search.space.schedule`, whose value `direct` does not give it; write the "
         "parameter inside the values that have it"),
        ({"student.model": {"choice": {"a": {"kind": "mlp", "hidden": [8]}}},
          "student.model.hidden": WIDTH}, {}, "search.space.student.model.hidden",
         "lies inside `search.space.student.model`, which draws all of it; "),
        ({TASK: {"complement": WEIGHT}}, {}, f"search.space.{TASK}",
         f"is one minus a number from 0 to 1, but `search.space.{WEIGHT}` is not there; "),
        ({WEIGHT: {"float": [0.0, 2.0]}, TASK: {"complement": WEIGHT}}, {},
         f"search.space.{TASK}", f"but `search.space.{WEIGHT}` draws none; give it such a range"),
        ({"student.train.epochs": {"int": [0, 3]}}, {}, "search.space.student.train.epochs",
         "allows 0, but then the rules refuse that: `student.train.epochs` is 0, "),
        ({"student.train.batch_size": {"int": [32, 5000], "step": 8}}, {},
         "search.space.student.train.batch_size",
         "allows 5000, but then the rules refuse that: "),
        ({"student.objective.near.hint": {"categorical": ["hidden.0"]},
          "student.objective.near.teacher": {"categorical": ["deep", "broad"]}}, {},
         "search.space.student.objective.near.teacher",
         "allows 'broad', but then the rules refuse that: "),
        ({"student.model": {"choice": {"a": {"kind": "mlp", "hidden": [8]}, "b": "mlp"}},
          "student.model.depth": {"int": [1, 2]}}, {}, "search.space.student.model.depth",
         "lies inside `search.space.student.model`, whose values `a` and `b` do not give it; "),
        ({"seed": {"int": [1, 9]}}, {}, "search.space.seed", "nothing that trials may differ in"),
        ({"student.train.seed": {"int": [1, 9]}}, {}, "search.space.student.train.seed",
         "nothing that trials may differ in"),
        ({"transfer_set.validation": {"float": [0.1, 0.2]}}, {},
         "search.space.transfer_set.validation",
         "(they may differ in teachers, ensemble, student and schedule, and in augment, "),
        ({WEIGHT: SHARE}, {"sampler": "grid"}, f"search.space.{WEIGHT}",
         "is a float without `step`, but `search.sampler` is 'grid', which takes every point; "),
        ({"schedule": {"choice": {"one": {**ASSISTANT, "path": [
            {"kind": "mlp", "hidden": [40], "dropout": SHARE}]}}}}, {"sampler": "brute_force"},
         "search.space.schedule[one].path.0.dropout", "is a float without `step`"),
        ({"schedule": CHOICE}, {"sampler": "grid"}, "search.space.schedule",
         "has parts that are drawn only sometimes, which `search.sampler` 'grid' has no place"),
        (None, {"pruner": "median", "scores": {"accuracy": "maximize", "macs": "minimize"}},
         "search.pruner",
         "is 'median', which compares one score, but `search.scores` has 2 (accuracy and macs); "),
        (None, {"pruner": "wilcoxon", "scores": {"accuracy": "maximize", "macs": "minimize"}},
         "search.pruner", "is 'wilcoxon', which compares one score, but `search.scores` has 2 "),
        (None, {"pruner": {"kind": "wilcoxon", "seeds": 2}}, "search.pruner.seeds",
         "is 2, but must be a whole number of at least 3"),
        (None, {"pruner": {"kind": "wilcoxon", "p": 1.0}}, "search.pruner.p",
         "is 1.0, but must be a number greater than 0 and less than 1"),
        (None, {"pruner": {"kind": "wilcoxon", "startup_seeds": 5}}, "search.pruner.startup_seeds",
         "is 5, but a trial has 5 seeds, so that none is ended before its last one; make it at "
         "most 4, or raise `search.pruner.seeds`"),
        (None, {"pruner": {"kind": "wilcoxon", "seeds": 4}}, "search.pruner.p",
         "is 0.1, but over the first 3 of 4 seeds no p-value is below 0.125, so that no trial is "
         "ended before its last one; make `search.pruner.seeds` at least 5, or raise `p`"),
        (None, {"pruner": "dominated", "scores": {"bytes": "minimize", "macs": "minimize"}},
         "search.pruner", "has no effect, since `search.scores` (bytes and macs) do not change"),
        (None, {"limits": {"accuracy": 90.0}}, "search.limits.accuracy",
         "is 90, but is a share from 0 to 1; for 90 % write 0.9"),
        (None, {"limits": {"macs": 0.0}}, "search.limits.macs", "is 0, which no student keeps to"),
        (None, {"scores": {"speed": "minimize"}}, "search.scores.speed", "is not a valid name; "),
        (None, {"parallel": 0}, "search.parallel", "is 0, but must be a whole number of at least"),
        ({WEIGHT: {"float": [0.0, 1.0], "log": True}}, {}, f"search.space.{WEIGHT}",
         "which has no logarithm"),
        ({WEIGHT: {"choice": [1, 2]}}, {}, f"search.space.{WEIGHT}", "of `choice` a label"),
        ({WEIGHT: {"categorical": [1, 1]}}, {}, f"search.space.{WEIGHT}", "has 1 twice in"),
        ({WEIGHT: 0.5}, {}, f"search.space.{WEIGHT}", "must be a parameter: "),
        ({}, {}, "search.space", "a mapping of names to values that is not empty"),
    ],
)  # fmt: skip
def test_what_cannot_be_explored_is_refused_at_its_place(
    tmp_path: Path, space: dict[str, Any] | None, section: dict[str, Any], path: str, part: str
) -> None:
    found = problems(tmp_path, space, **section)
    assert list(found) == [path]
    assert found[path].startswith(f"`{path}` ")
    assert part in found[path]


def test_values_that_are_refused_only_together_are_named_together(tmp_path: Path) -> None:
    space = {
        "student.train.batch_size": {"categorical": [64, 32]},
        "student.train.micro_batch_size": {"categorical": [32, 64]},
    }
    found = problems(tmp_path, space)
    assert list(found) == ["search.space"]
    assert "`search.space` allows {" in found["search.space"]
    assert "} together, but then the rules refuse that: " in found["search.space"]


def test_a_study_needs_a_validation_part_and_a_section(tmp_path: Path) -> None:
    found = problems(tmp_path, None, "transfer_set.validation=none")
    assert found == {
        "search.scores": "`search.scores` are of the validation part, but "
        "`transfer_set.validation` is 'none'; give it a share"
    }
    with pytest.raises(RecipeProblems, match="has no section `search`; add one with `space`"):
        read_search(small.loaded(tmp_path))


def test_notes_say_who_reads_the_section_and_which_direction_is_odd(tmp_path: Path) -> None:
    data = recipe(scores={"accuracy": "minimize", "nll": "minimize"})
    said = notes(small.loaded(tmp_path, data=data).recipe)
    assert "`search` is what `stillhouse search` explores" in said[0]
    assert said[1].startswith("`search.scores.accuracy` is 'minimize': ")
    assert sum("`search" in each for each in said) == 2


def test_more_trials_at_a_time_than_there_are_gpus_are_refused(tmp_path: Path) -> None:
    data = recipe(parallel=4)
    settings = ("student.resources.gpus=0.5", "student.objective.near=null")
    space = read_search(small.loaded(tmp_path, *settings, data=data))
    graph = small.planned(tmp_path, *settings, data=data)
    refuse_more_than_all_gpus(graph, space, 2)
    with pytest.raises(RecipeProblems) as refused:
        refuse_more_than_all_gpus(graph, space, 1)
    assert str(refused.value) == (
        "`search.parallel` is 4, which needs 2 GPUs, since `student.resources.gpus` asks for 0.5, "
        "but this machine has 1; make it at most 2"
    )


def test_a_path_that_does_not_give_the_recipes_own_value_is_noted(tmp_path: Path) -> None:
    space = {WEIGHT: SHARE, "student.train.epochs": {"int": [5, 9]}}
    [note] = read_search(small.loaded(tmp_path, data=recipe(space))).notes
    assert note.startswith("`search.space.student.train.epochs` does not give the recipe's own")


@pytest.mark.parametrize(
    ("space", "overrides", "params"),
    [
        # As it is written, in short forms inside of it.
        ({"schedule": {"choice": {"one": ASSISTANT}}},
         ("schedule={kind: assistants, path: [{kind: mlp, hidden: [40]}]}",),
         {"schedule": "one", "schedule[one].path.0.hidden.0": 40}),
        # In full, of which the space has the short form.
        ({"schedule": {"categorical": ["offline", "born_again"]}}, (), {"schedule": "offline"}),
        ({"student.train.lr_schedule": {"categorical": ["constant", "cosine"]}}, (),
         {"student.train.lr_schedule": "cosine"}),
        ({"student.objective.task": {"float": [0.0, 1.0]}}, ("student.objective.task=0.25",),
         {"student.objective.task": 0.25}),
        # The one of two labels whose other settings are the recipe's too.
        ({"schedule": {"choice": {"short": {"kind": "born_again"},
                                  "all": {"kind": "born_again", "taught_by": "all"}}}},
         ("schedule={kind: born_again, taught_by: all}",), {"schedule": "all"}),
        # A part that the recipe does not have.
        ({"student.weights": {"choice": {"none": None, "file": "w.pt"}}}, (),
         {"student.weights": "none"}),
    ],
)  # fmt: skip
def test_the_recipes_own_values_are_found_however_they_are_written(
    tmp_path: Path, space: dict[str, Any], overrides: tuple[str, ...], params: dict[str, Any]
) -> None:
    found = read_search(small.loaded(tmp_path, *overrides, data=recipe(space)))
    assert (found.own, found.outside) == (params, ())


def test_other_settings_than_the_recipes_are_not_its_own_values(tmp_path: Path) -> None:
    space = {"schedule": {"choice": {"short": {"kind": "born_again"}}}}
    data = recipe(space) | {"schedule": {"kind": "born_again", "taught_by": "all"}}
    assert read_search(small.loaded(tmp_path, data=data)).outside == ("schedule",)
    # A share, whose rest the recipe does not set.
    data = recipe({WEIGHT: SHARE, TASK: {"complement": WEIGHT}})
    data["student"] = {**data["student"], "objective": {"soft_targets": {"weight": 0.9}}}
    assert read_search(small.loaded(tmp_path, data=data)).outside == (TASK,)
