"""Errors of building and training a student."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial


class UserError(Exception):
    """What the user must fix: one sentence with the place, the value, the rule and the remedy.

    ``path`` is the dotted place in the recipe, relative to the section that was passed.
    """

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return partial(type(self), path=self.path), (self.message,)


class TransferSetError(UserError):
    """A transfer set that is absent, unreadable or not as the recipe describes it."""


class ModelError(UserError):
    """A model that cannot be built, or a layer that it does not have."""


class WeightsError(UserError):
    """A weights file that is missing, damaged, unsafe or of another architecture."""


class ShapeMismatch(WeightsError):
    """Weights of this architecture except for the shapes of some tensors; ``shapes``, by name: the
    file's, and the model's. ``modules`` are those that hold these tensors and no others."""

    def __init__(
        self,
        message: str,
        *,
        path: str = "",
        shapes: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]] | None = None,
        modules: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, path=path)
        self.shapes = dict(shapes or {})
        self.modules = modules


class ObjectiveError(UserError):
    """Terms that cannot be computed with these models."""


class TrainingError(UserError):
    """Training that cannot continue: gradients that stay not finite, a lost rank."""


class CheckpointError(Exception):
    """A checkpoint that cannot be written or read; the last committed one is intact."""


class StaleAttempt(CheckpointError):
    """A commit of an attempt that is no longer the current one."""
