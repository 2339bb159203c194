"""A study in its storage: what it asks, what it knows, and whose trials it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest

from search.errors import StudyError, StudyExists
from search.samplers import build_sampler, grid_points
from search.study import (
    StoredStudy,
    close_storage,
    foreign_trials,
    open_storage,
    open_study,
    redacted,
)
from tests.search.objectives import SPACE, Quadratic, config, run

IDENTITY = {"space": SPACE, "seed": 7, "stages": "abc", "recipe": {"student.train.epochs": 3}}


def opened(file: Path, name: str = "study", *, new: bool = False, **differs: Any) -> StoredStudy:
    section = config(**differs.pop("section", {}))
    identity = {**IDENTITY, **differs}
    return open_study(open_storage(f"sqlite:///{file}"), name, section, identity, new=new)


@pytest.mark.parametrize(
    ("differs", "part"),
    [
        ({"seed": 8, "stages": "abd", "recipe": {"seed": "8", "student.train.epochs": 3}},
         "`seed` was 7, and is 8)"),
        ({"space": {**SPACE, "w": {"int": [1, 60], "log": True}}},
         "`search.space.w.int` was [1, 50], and is [1, 60]"),
        ({"space": {"x": SPACE["x"]}}, "`search.space.w` was {"),
        ({"stages": "abd", "recipe": {"student.train.epochs": 4}},
         "`student.train.epochs` was 3, and is 4"),
        ({"stages": "abd"}, "data or files that it names have changed"),
    ],
)  # fmt: skip
def test_a_study_that_asks_something_else_says_what(
    tmp_path: Path, differs: dict[str, Any], part: str
) -> None:
    opened(tmp_path / "study.db")
    with pytest.raises(StudyExists) as refused:
        opened(tmp_path / "study.db", **differs)
    assert str(refused.value).startswith(f"study 'study' asks something else ({part}")
    assert "--new" in str(refused.value)
    assert opened(tmp_path / "study.db", new=True, **differs).name == "study-2"
    assert opened(tmp_path / "study.db", **differs).name == "study-2"
    assert opened(tmp_path / "study.db", new=True).name == "study", "it is there"


def test_a_long_list_that_differs_at_its_end_is_named_by_its_entry(tmp_path: Path) -> None:
    opened(tmp_path / "study.db", space={"w": {"categorical": [*range(31)]}})
    with pytest.raises(StudyExists, match=r"`search\.space\.w\.categorical\.30` was 30, and is 31"):
        opened(tmp_path / "study.db", space={"w": {"categorical": [*range(30), 31]}})


def test_what_of_the_recipe_changes_no_stage_is_no_difference(tmp_path: Path) -> None:
    opened(tmp_path / "study.db")
    assert opened(tmp_path / "study.db", recipe={"tracking.every": 1}).name == "study"


def test_a_study_that_was_killed_while_it_was_begun_is_begun_again(tmp_path: Path) -> None:
    storage = open_storage(f"sqlite:///{tmp_path}/study.db")
    optuna.create_study(study_name="study", storage=storage, directions=["minimize", "minimize"])
    assert opened(tmp_path / "study.db").study.directions[0].name == "MAXIMIZE"


def test_what_a_study_began_with_stays(tmp_path: Path) -> None:
    assert opened(tmp_path / "study.db").keep("numbers", {"threads": 2}) == {"threads": 2}
    assert opened(tmp_path / "study.db").keep("numbers", {"threads": 4}) == {"threads": 2}


def test_trials_of_another_study_are_taken_where_the_space_allows(tmp_path: Path) -> None:
    file = tmp_path / "study.db"
    run(file, config(), Quadratic())
    section = config(**{"from": "study"}, space={"x": {"float": [0.0, 0.5]}, "w": SPACE["w"]})
    stored = open_study(open_storage(f"sqlite:///{file}"), "next", section, {}, new=False)
    taken = foreign_trials(stored)
    assert 0 < len(taken) < 12
    assert all(trial.params["x"] <= 0.5 for trial in taken)
    run(file, config(trials=20), Quadratic())
    again = foreign_trials(stored)
    assert [trial.params for trial in again] == [trial.params for trial in taken]


def test_a_value_with_other_settings_is_none_of_the_space(tmp_path: Path) -> None:
    file = tmp_path / "study.db"
    kinds = {"choice": {"all": {"kind": "born_again", "taught_by": "all"}, "none": "offline"}}
    run(file, config(trials=8, space={"x": SPACE["x"], "w": SPACE["w"], "s": kinds}), Quadratic())
    short = {**SPACE, "s": {"choice": {"all": {"kind": "born_again"}, "none": "offline"}}}
    section = config(**{"from": "study"}, space=short)
    stored = open_study(open_storage(f"sqlite:///{file}"), "next", section, {}, new=False)
    taken = foreign_trials(stored)
    assert {trial.params["s"] for trial in taken} == {"none"}


def test_a_study_from_one_that_is_none_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"`search\.from` is 'study', which is no study here; "):
        opened(tmp_path / "study.db", section={"from": "study"})
    assert optuna.get_all_study_names(f"sqlite:///{tmp_path}/study.db") == []


def test_an_address_is_shown_without_user_and_password() -> None:
    url = "postgresql+psycopg://me:p%40ss@host:5432/studies"
    assert redacted(url) == "postgresql+psycopg://***@host:5432/studies"
    assert redacted("sqlite:////home/me/study.db") == "sqlite:////home/me/study.db"


def test_a_lost_storage_is_one_sentence(tmp_path: Path) -> None:
    stored = opened(tmp_path / "study.db")
    close_storage(stored.study._storage._backend)  # type: ignore[attr-defined]
    (tmp_path / "study.db").write_bytes(b"no database, but something else " * 200)
    with pytest.raises(StudyError, match=r"`search\.storage` has failed \("):
        stored.keep("numbers", {})


@pytest.mark.parametrize("kind", ["tpe", "nsga2", "gp", "random", "brute_force"])
def test_each_sampler_is_built_by_its_name(kind: str) -> None:
    name = type(build_sampler(config(sampler=kind), 1)).__name__.removesuffix("Sampler").lower()
    assert name.startswith(kind.replace("_", "").removesuffix("2").replace("nsga", "nsgaii"))


def test_a_grid_has_each_point_once_in_an_order_by_the_seed() -> None:
    space = {"x": {"float": [0.0, 0.3], "step": 0.1}, "c": {"choice": {"a": 1, "b": [2]}}}
    points = grid_points(config(space=space).parameters, 1)
    assert sorted((p["c"], p["x"]) for p in points) == [
        (c, x) for c in "ab" for x in (0.0, 0.1, 0.2, 0.3)
    ]
    assert points == grid_points(config(space=space).parameters, 1)
    assert points != grid_points(config(space=space).parameters, 2)


def test_the_population_follows_from_the_number_of_trials() -> None:
    assert build_sampler(config(sampler="nsga2", trials=20), 1)._population_size == 4  # type: ignore[attr-defined]
    given = config(sampler={"kind": "nsga2", "population": 6})
    assert build_sampler(given, 1)._population_size == 6  # type: ignore[attr-defined]
