"""The recipes of trials: a study's own with other values, and a number for each auto."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.config import Recipe
from orchestrator.errors import Problem, RecipeProblems
from orchestrator.planning.graph import Graph
from orchestrator.planning.thread_allocation import resolve
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
class Space:
    """What a recipe's section ``search`` asks: the recipe's ``name``, ``seed`` and ``epochs`` of
    the student; the draws that give its ``own`` values, and the paths where nothing does;
    and the rest of the recipe as plain ``values``."""

    config: SearchConfig
    name: str
    seed: int
    epochs: int
    own: Mapping[str, Any]
    outside: tuple[str, ...]
    values: Mapping[str, Any]


def read_space(loaded: LoadedRecipe) -> Space:
    """The space of a recipe.

    Raises:
        RecipeProblems: it has none, or one whose corners the recipe's own rules refuse.
    """
    recipe, config = loaded.recipe, loaded.recipe.search
    if config is None:
        raise RecipeProblems.of(
            "the recipe has no section `search`; add one with `space`, the ranges to explore"
        )
    if problems := list(_refused_corners(loaded, config)):
        raise RecipeProblems(problems, recipe.name)
    plain = printable(loaded)
    own, outside = find(config.parameters, {p: find_value(plain, p) for p in config.space})
    rest = {name: section for name, section in plain.items() if name != "search"}
    return Space(config, recipe.name, recipe.seed, recipe.student.train.epochs, own, outside, rest)


def _refused_corners(loaded: LoadedRecipe, config: SearchConfig) -> Iterator[Problem]:
    """What the recipe's own rules refuse at the corners of the space, each sentence once."""
    found = set[str]()
    for overrides in corners(config.parameters):
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
                    f"`search.space.{path}` allows {shown(overrides[path])}, but then the rules "
                    f"refuse that: {problem.message}",
                )


def _nearest(place: str, overrides: Mapping[str, Any]) -> str:
    """The path of an override that a problem at ``place`` is about."""
    inside = [path for path in overrides if f"{place}.".startswith(f"{path}.")]
    return max(inside, key=len, default=next(iter(overrides)))
