"""Turns a recipe's file, with what the command line sets, into a judged ``Recipe``.

Text, then plain values, then the command line's, then the environment's, then the sections,
then the rules across sections. Whatever is wrong at any of these is told at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as File
from typing import Any

from pydantic import ValidationError

from orchestrator.config import Recipe
from orchestrator.errors import Problem, RecipeProblems
from orchestrator.recipe.default_kinds import options_of, with_default_kinds
from orchestrator.recipe.environment import Resolved, hide, resolve_environment
from orchestrator.recipe.message_text import Path, dotted
from orchestrator.recipe.overrides import apply_overrides
from orchestrator.recipe.rules.catalog import judge
from orchestrator.recipe.unsupported import split_later, without
from orchestrator.recipe.validation_errors import Located, located, sentence
from orchestrator.recipe.yaml_values import LARGEST, YamlProblem, read_yaml

_PLACE = re.compile(r"`([A-Za-z0-9_.-]+)`")


@dataclass(frozen=True)
class LoadedRecipe:
    """A recipe that may run. ``folder`` is where its file lies, to which paths are relative;
    ``source`` is what the file and the command line say, with ``${env:NAME}`` as written;
    ``from_environment`` is that text by path for each value that came from the environment."""

    recipe: Recipe
    folder: File
    source: Mapping[str, Any]
    from_environment: Mapping[Path, str] = field(default_factory=dict)


def load_recipe(
    path: File | str,
    overrides: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> LoadedRecipe:
    """Reads and judges the recipe at ``path``; ``overrides`` are ``a.b=value``.

    Raises:
        RecipeProblems: with everything that is wrong, each at its place.
    """
    file = File(path).expanduser()
    source, problems = apply_overrides(read_recipe(file), overrides, options_of)
    resolved = resolve_environment(source, environment)
    recipe, more = judge_data(resolved)
    problems += more
    if problems or recipe is None:
        name = source.get("name")
        raise RecipeProblems(problems, name if isinstance(name, str) else None)
    return LoadedRecipe(recipe, file.resolve().parent, source, resolved.written)


def read_recipe(file: File) -> dict[str, Any]:
    """The plain values of a recipe's file.

    Raises:
        RecipeProblems: there is no such file, or it holds no mapping.
    """
    try:
        with file.open("rb") as opened:
            text = opened.read(LARGEST + 1)
        if len(text) > LARGEST:
            raise YamlProblem(f"is larger than {LARGEST} bytes; a recipe is a short text")
        data = read_yaml(text.decode("utf-8-sig"))
        if data is None:
            raise YamlProblem("is empty; `stillhouse init` writes one to start from")
        if not isinstance(data, dict):
            raise YamlProblem(f"holds a {_word(data)}, but a recipe is a mapping of its sections")
    except FileNotFoundError:
        message = f"the recipe '{file}' does not exist; `stillhouse init` writes one to start from"
    except IsADirectoryError:
        message = f"the recipe '{file}' is a folder; give the path of a YAML file"
    except OSError as error:
        message = f"the recipe '{file}' cannot be read ({error.strerror}); see to its permissions"
    except UnicodeDecodeError:
        message = f"the recipe '{file}' is not UTF-8 text; give the path of a YAML file"
    except YamlProblem as problem:
        message = f"the recipe '{file}' {problem}"
    else:
        return data
    raise RecipeProblems([Problem("", message)])


def _word(value: Any) -> str:
    return (
        "list" if isinstance(value, list) else "text" if isinstance(value, str) else "plain value"
    )


def judge_data(resolved: Resolved) -> tuple[Recipe | None, list[Problem]]:
    """The recipe that plain values make, if they make one, and every problem with them."""
    data, later = split_later(with_default_kinds(resolved.data))
    problems = {**resolved.problems, **later}
    for path in resolved.problems:
        data = without(data, path)
    recipe, errors = _validate(data)
    kept = [each for each in errors if not _touches(each.path, resolved.problems)]
    suspects = [*problems, *(each.path for each in kept)]
    if recipe is None:
        recipe = _validate(_without_faults(data, errors))[0]
    found = [*problems.values(), *(Problem(dotted(each.path), sentence(each)) for each in kept)]
    if recipe is not None:
        found += [each for each in judge(recipe) if not _about(each, suspects)]
    hidden = [
        Problem(each.path, hide(each.message, resolved.written, resolved.data)) for each in found
    ]
    return (None if found else recipe), hidden


def _validate(data: Mapping[str, Any]) -> tuple[Recipe | None, list[Located]]:
    # By way of JSON, for strict validation takes a list for a tuple there alone.
    try:
        return Recipe.model_validate_json(json.dumps(data)), []
    except ValidationError as error:
        return None, located(error.errors(include_url=False, include_context=False), Recipe)


def _without_faults(data: Mapping[str, Any], errors: Iterable[Located]) -> Mapping[str, Any]:
    """What is left without the faults, so that the rules can judge the rest at the same time."""
    for error in errors:
        data = without(data, error.path) if error.path else data
    return {"name": "unnamed", **data}


def _touches(path: Path, places: Iterable[Path]) -> bool:
    """Whether ``path`` is one of ``places``, or above or below one."""
    return any(path[: len(place)] == place[: len(path)] for place in places)


def _about(problem: Problem, suspects: Iterable[Path]) -> bool:
    """Whether a rule looked at a value that is at fault itself: then it says nothing new.

    A rule names in its sentence every place that it looked at.
    """
    named = {problem.path, *_PLACE.findall(problem.message)}
    for suspect in suspects:
        place = dotted(suspect)
        for each in named:
            if f"{each}.".startswith(f"{place}.") or f"{place}.".startswith(f"{each}."):
                return True
    return False
