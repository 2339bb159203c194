"""Reads a recipe's file and the command line's overrides into a valid ``Recipe``; shows it in full.

Text, then plain values, then the command line's, then the environment's, then the sections,
then the rules across sections. The problems of all these steps are reported at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path as File
from typing import Any

from pydantic import ValidationError

from orchestrator.config import Recipe
from orchestrator.errors import Problem, RecipeProblems
from orchestrator.recipe.environment import Resolved, hide, resolve_environment, value_at
from orchestrator.recipe.message_text import Path, dotted
from orchestrator.recipe.overrides import apply_overrides, find_value
from orchestrator.recipe.rules.catalog import check_rules
from orchestrator.recipe.schema import with_default_kinds
from orchestrator.recipe.unsupported import split_unsupported, without
from orchestrator.recipe.validation_errors import LocatedError, locate_errors, sentence
from orchestrator.recipe.yaml_values import LARGEST, YamlProblem, read_yaml

_PLACE = re.compile(r"`([A-Za-z0-9_.-]+)`")
_PASSWORD = re.compile(r"(://[^/\s:@]*:)[^/\s@]+@")


@dataclass(frozen=True)
class LoadedRecipe:
    """A valid recipe. ``folder`` is its file's folder, to which paths are relative;
    ``from_environment`` has the text as written, with ``${env:NAME}``, by path, for each value that
    came from the environment; ``source`` are the plain values that it was read from, with these in
    place."""

    recipe: Recipe
    folder: File
    from_environment: Mapping[Path, str] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)


def load_recipe(
    path: File | str,
    overrides: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> LoadedRecipe:
    """Reads and validates the recipe at ``path``; ``overrides`` are ``a.b=value``.

    Raises:
        RecipeProblems: with everything that is wrong, each at its place.
    """
    file = File(path).expanduser()
    source, problems = apply_overrides(read_recipe(file), overrides)
    resolved = resolve_environment(source, environment)
    recipe, more = validate(resolved)
    problems += more
    if problems or recipe is None:
        name = source.get("name")
        raise RecipeProblems(problems, name if isinstance(name, str) else None)
    return LoadedRecipe(recipe, file.resolve().parent, resolved.written, resolved.data)


def with_values(loaded: LoadedRecipe, values: Mapping[str, Any]) -> LoadedRecipe:
    """The recipe with other values at some dotted paths; None takes out what is there, if anything
    is.

    Raises:
        RecipeProblems: with everything that is wrong with it then.
    """
    texts = [
        f"{path}={json.dumps(value)}"
        for path, value in values.items()
        if value is not None or find_value(loaded.source, path) is not None
    ]
    data, problems = apply_overrides(loaded.source, texts)
    written = {
        path: text
        for path, text in loaded.from_environment.items()
        if find_value(data, dotted(path)) == value_at(loaded.source, path)
    }
    recipe, more = validate(Resolved(data, written, {}))
    if problems or more or recipe is None:
        raise RecipeProblems([*problems, *more], loaded.recipe.name)
    return replace(loaded, recipe=recipe, source=data, from_environment=written)


def printable(loaded: LoadedRecipe) -> dict[str, Any]:
    """The recipe with all its defaults, as plain values that may be shown and logged; what is not
    set and has no default is left out.

    What came from the environment is shown as ``${env:NAME}``, a password in an address as
    ``***``.
    """
    plain = loaded.recipe.model_dump(mode="json", by_alias=True, exclude_none=True)
    for path, written in loaded.from_environment.items():
        # The short form `weights: file` is a mapping by now.
        full = (*path, "path") if isinstance(value_at(plain, path), dict) else path
        value_at(plain, full[:-1])[full[-1]] = written
    return dict(_mask(plain))


def _mask(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _mask(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_mask(each) for each in value]
    return _PASSWORD.sub(r"\1***@", value) if isinstance(value, str) else value


def read_recipe(file: File) -> dict[str, Any]:
    """The plain values of a recipe's file.

    Raises:
        RecipeProblems: there is no such file, or it does not contain a mapping.
    """
    try:
        with file.open("rb") as opened:
            text = opened.read(LARGEST + 1)
        if len(text) > LARGEST:
            raise YamlProblem(f"is larger than {LARGEST} bytes; shorten it")
        data = read_yaml(text.decode("utf-8-sig"))
        if data is None:
            raise YamlProblem("is empty; `stillhouse init` writes one to start from")
        if not isinstance(data, dict):
            word = "a list" if isinstance(data, list) else "a plain value"
            raise YamlProblem(f"is {word}, but a recipe is a mapping of its sections")
    except FileNotFoundError:
        message = f"the recipe '{file}' does not exist; `stillhouse init` writes one to start from"
    except IsADirectoryError:
        message = f"the recipe '{file}' is a folder; give the path of a YAML file"
    except OSError as error:
        message = f"the recipe '{file}' cannot be read ({error.strerror}); check its permissions"
    except UnicodeDecodeError:
        message = f"the recipe '{file}' is not UTF-8 text; give the path of a YAML file"
    except YamlProblem as problem:
        message = f"the recipe '{file}' {problem}"
    else:
        return data
    raise RecipeProblems.of(message)


def validate(resolved: Resolved) -> tuple[Recipe | None, list[Problem]]:
    """The recipe that plain values make, if they are valid, and every problem with them."""
    data, unsupported = split_unsupported(with_default_kinds(resolved.data))
    refused = {**resolved.problems, **unsupported}
    for path in resolved.problems:
        data = without(data, path)
    recipe, errors = _validate(data)
    unresolved = [dotted(path) for path in resolved.problems]
    kept = [e for e in errors if not any(_overlap(dotted(e.path), each) for each in unresolved)]
    suspects = [*refused, *(each.path for each in kept)]
    if recipe is None:  # The rules check what is valid at the same time.
        for each in errors:
            data = without(data, each.path)
        recipe = _validate({"name": "unnamed", **data})[0]
    found = [*refused.values()]
    found += [Problem(dotted(each.path), sentence(each)) for each in kept]
    if recipe is not None:
        found += [each for each in check_rules(recipe) if not _about(each, suspects)]
    hidden = [
        Problem(each.path, hide(each.message, resolved.written, resolved.data)) for each in found
    ]
    return (None if found else recipe), hidden


def _validate(data: Mapping[str, Any]) -> tuple[Recipe | None, list[LocatedError]]:
    # From JSON, since strict validation accepts a list for a tuple only there.
    try:
        return Recipe.model_validate_json(json.dumps(data)), []
    except ValidationError as error:
        return None, locate_errors(error.errors(include_url=False, include_context=False), Recipe)


def _about(problem: Problem, suspects: Iterable[Path]) -> bool:
    """Whether a rule looked at a value that is invalid itself: then its problem adds nothing.

    A rule names in its sentence every place that it looked at.
    """
    named = [problem.path, *_PLACE.findall(problem.message)]
    return any(_overlap(each, dotted(suspect)) for suspect in suspects for each in named)


def _overlap(one: str, other: str) -> bool:
    """Whether one of two dotted places is the other, or lies inside it."""
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")
