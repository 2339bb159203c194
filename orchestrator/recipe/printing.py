"""A recipe in full, as plain values that may be shown and logged: secrets are masked."""

from __future__ import annotations

import re
from typing import Any

from orchestrator.recipe.loading import LoadedRecipe
from orchestrator.recipe.places import value_at

_PASSWORD = re.compile(r"(://[^/\s:@]*:)[^/\s@]+@")


def printable(loaded: LoadedRecipe) -> dict[str, Any]:
    """The recipe with all its defaults; what is not set and has no default is left out.

    What came from the environment is shown as ``${env:NAME}``, a password in an address as
    ``***``.
    """
    plain = loaded.recipe.model_dump(mode="json", exclude_none=True)
    for path, written in loaded.from_environment.items():
        # The short form `weights: file` is a mapping by now.
        full = (*path, "path") if isinstance(value_at(plain, path), dict) else path
        value_at(plain, full[:-1])[full[-1]] = written
    masked: dict[str, Any] = _mask(plain)
    return masked


def _mask(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _mask(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_mask(each) for each in value]
    return _PASSWORD.sub(r"\1***@", value) if isinstance(value, str) else value
