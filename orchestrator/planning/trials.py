"""The recipes of trials: a study's own with other values, and a number for each auto."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.config import Recipe
from orchestrator.errors import Problem, RecipeProblems
from orchestrator.planning.graph import Graph
from orchestrator.planning.thread_allocation import ranks_of, resolve
from orchestrator.recipe.loading import LoadedRecipe, printable, with_values
from orchestrator.recipe.message_text import shown
from orchestrator.recipe.overrides import find_value
from orchestrator.schedule_config import Entry, FirstStage, TwoStage
from search.config import SearchConfig
from search.space import corners, find

PRECISION = "fp32"
"""What a study takes for ``precision: auto``: which one is the fastest is measured, and two
measurements may differ."""


def trial_recipe(
    loaded: LoadedRecipe, overrides: Mapping[str, Any], numbers: Mapping[str, Any]
) -> LoadedRecipe:
    """The recipe of a trial: without controls and search, with ``overrides``, and with ``numbers``
    where there is ``auto``; models that only the trial has take the student's.

    Raises:
        RecipeProblems: everything that is wrong with it.
    """
    trial = with_values(loaded, {**overrides, "controls": [], "search": None})
    more = {place: numbers.get(place, default) for place, default in _autos(trial.recipe, numbers)}
    return with_values(trial, more) if more else trial


def most_steps(config: SearchConfig, trials: Iterable[LoadedRecipe]) -> int:
    """How many steps the longest of some trials has: its student's epochs, or its seeds."""
    if config.step == "seed":
        return config.seeds
    return max(each.recipe.student.train.epochs for each in trials)


def _autos(recipe: Recipe, numbers: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Where ``recipe`` says auto, with what is taken there if ``numbers`` has nothing."""
    own = numbers.get("student.train.threads", 1)
    for name, teacher in recipe.teachers.items():
        if teacher.threads == "auto":
            yield f"teachers.{name}.threads", own
        if teacher.precision == "auto":
            yield f"teachers.{name}.precision", PRECISION
        if teacher.train is not None and teacher.train.threads == "auto":
            yield f"teachers.{name}.train.threads", own
    entries: dict[str, Entry | FirstStage] = dict(recipe.schedule.entries)
    if isinstance(recipe.schedule, TwoStage):
        entries["schedule.first"] = recipe.schedule.first
    for place, entry in entries.items():
        if entry.train is not None and entry.train.threads == "auto":
            yield f"{place}.train.threads", own
    if recipe.student.train.threads == "auto":
        yield "student.train.threads", own


def numbers_for_auto(graph: Graph, cores: int, parallel: int) -> dict[str, int]:
    """How many threads each role of a study's trials computes on, ``parallel`` of them at a time,
    by place; teachers are trained before, with all cores."""
    numbers: dict[str, int] = {}
    for stage in graph.stages:
        share = resolve(stage, max(1, cores // parallel) if stage.teachers else cores)
        for student in stage.cohort:
            numbers[f"{student.path}.train.threads"] = share["student"]
        for name, threads in share["teachers"].items():
            numbers.setdefault(f"teachers.{name}.threads", threads)
    numbers.setdefault("student.train.threads", max(1, cores // max(2, parallel)))
    return numbers


@dataclass(frozen=True)
class RecipeSearch:
    """What a recipe's section ``search`` asks: the recipe's ``name`` and ``seed``, the most
    ``steps`` of a trial; the draws that give its ``own`` values, and the paths where nothing does;
    and the rest of the recipe as plain ``values``."""

    config: SearchConfig
    name: str
    seed: int
    steps: int
    own: Mapping[str, Any]
    outside: tuple[str, ...]
    values: Mapping[str, Any]

    @property
    def notes(self) -> tuple[str, ...]:
        """What its author should consider."""
        return tuple(
            f"`search.space.{path}` does not give the recipe's own value, so that the study does "
            "not begin with the recipe as it is."
            for path in self.outside
        )


def read_search(loaded: LoadedRecipe) -> RecipeSearch:
    """What a recipe's section ``search`` asks.

    Raises:
        RecipeProblems: it has none, or the recipe's own rules refuse corners of its space.
    """
    recipe, config = loaded.recipe, loaded.recipe.search
    if config is None:
        raise RecipeProblems.of(
            "the recipe has no section `search`; add one with `space`, the ranges to explore"
        )
    trials, problems = _corners(loaded, config)
    if problems:
        raise RecipeProblems(problems, recipe.name)
    steps, plain = most_steps(config, [loaded, *trials]), printable(loaded)
    own, outside = _own_draws(loaded, config)
    rest = {name: section for name, section in plain.items() if name != "search"}
    return RecipeSearch(config, recipe.name, recipe.seed, steps, own, outside, rest)


def _own_draws(
    loaded: LoadedRecipe, config: SearchConfig
) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """The draws that give the recipe's own values, and the paths for which nothing does."""
    own = printable(trial_recipe(loaded, {}, {}))

    def is_own(path: str, value: Any) -> bool:
        try:
            return printable(trial_recipe(loaded, {path: value}, {})) == own
        except RecipeProblems:
            return False

    # As they are written, and in full.
    both = loaded.source, own
    return find(
        config.parameters,
        {path: [find_value(each, path) for each in both] for path in config.space},
        is_own,
    )


def refuse_more_than_all_gpus(graph: Graph, search: RecipeSearch, had: int) -> None:
    """Checks that a machine of ``had`` GPUs, if it is enough for one trial, is so for a batch.

    Raises:
        RecipeProblems: they do not.
    """
    parallel = search.config.parallel
    asked = (ranks_of(each) * each.resources.gpus for each in graph.stages if each.teachers)
    student = max(asked, default=0.0)
    if student <= had < student * parallel:
        message = (
            f"`search.parallel` is {parallel}, which needs {student * parallel:g} GPUs, since "
            f"`student.resources.gpus` asks for {student:g}, but this machine has {had}; make it "
            f"at most {int(had / student)}"
        )
        raise RecipeProblems([Problem("search.parallel", message)], search.name)


def _corners(
    loaded: LoadedRecipe, config: SearchConfig
) -> tuple[list[LoadedRecipe], list[Problem]]:
    """The recipes at the corners of the space, and what the recipe's own rules refuse there, each
    sentence once."""
    recipes: list[LoadedRecipe] = []
    problems: dict[str, Problem] = {}
    for path, drawn in corners(config.parameters).items():
        refused: dict[str, list[Mapping[str, Any]]] = {}
        for overrides in drawn:
            try:
                recipes.append(trial_recipe(loaded, overrides, {}))
            except RecipeProblems as error:
                for message in {problem.message for problem in error.problems}:
                    refused.setdefault(message, []).append(overrides)
        for message, where in refused.items():
            place = f"search.space.{path}" if path else "search.space"
            if path and len(where) == len(drawn) > 1:
                why = "is refused whatever is drawn for it: "
            elif path:
                why = f"allows {shown(where[0][path])}, but then the rules refuse that: "
            else:
                why = f"allows {shown(where[0])} together, but then the rules refuse that: "
            problems.setdefault(message, Problem(place, f"`{place}` {why}{message}"))
    return recipes, list(problems.values())
