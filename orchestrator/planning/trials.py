"""The recipes of trials: a study's own with other values, and a number for each auto."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.config import Recipe
from orchestrator.errors import Problem, RecipeProblems
from orchestrator.planning.graph import Graph
from orchestrator.planning.thread_allocation import resolve
from orchestrator.recipe.loading import LoadedRecipe, printable, with_values
from orchestrator.recipe.overrides import find_value
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
    values: dict[str, Any] = {**overrides, "controls": []}
    if "search" in loaded.source:
        values["search"] = None
    trial = with_values(loaded, values)
    more = {place: numbers.get(place, default) for place, default in _autos(trial.recipe, numbers)}
    return with_values(trial, more) if more else trial


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
    for place, entry in recipe.schedule.entries.items():
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


def own_draws(loaded: LoadedRecipe) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The draws of a space that give the recipe's own values, and the paths where nothing does.

    Raises:
        RecipeProblems: the recipe has no section ``search``.
    """
    search = _search(loaded)
    plain = printable(loaded)
    values = {path: find_value(plain, path) for path in search.space}
    return find(search.parameters, values)


def space_problems(loaded: LoadedRecipe) -> Iterator[Problem]:
    """What the recipe's own rules refuse at the corners of the space, each sentence once.

    Raises:
        RecipeProblems: the recipe has no section ``search``.
    """
    search, found = _search(loaded), set[str]()
    for overrides in corners(search.parameters):
        try:
            trial_recipe(loaded, overrides, {})
        except RecipeProblems as refused:
            for problem in refused.problems:
                if problem.message in found:
                    continue
                found.add(problem.message)
                path = _nearest(problem.path, overrides)
                yield Problem(
                    f"search.space.{path}",
                    f"`search.space.{path}` allows {overrides[path]!r}, but then {problem.message}",
                )


def _nearest(place: str, overrides: Mapping[str, Any]) -> str:
    """The path of an override that a problem at ``place`` is about."""
    inside = [path for path in overrides if f"{place}.".startswith(f"{path}.")]
    return max(inside, key=len, default=next(iter(overrides)))


def _search(loaded: LoadedRecipe) -> Any:
    if loaded.recipe.search is None:
        raise RecipeProblems.of(
            "the recipe has no section `search`; add one with `space`, the ranges to explore"
        )
    return loaded.recipe.search
