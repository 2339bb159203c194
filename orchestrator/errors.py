"""Problems of a recipe, each at its place, all of them at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from students.errors import UserError


@dataclass(frozen=True)
class Problem:
    """One thing to correct: ``path``, its dotted place ("" for the whole recipe or the command
    line), and ``message``, one sentence with the place, the value, the rule and the remedy."""

    path: str
    message: str

    def __str__(self) -> str:
        return self.message


def problems_from(sentences: Iterable[str]) -> list[Problem]:
    """Sentences, each of which begins with its place in backquotes, as problems."""
    return [Problem(sentence.split("`", 2)[1], sentence) for sentence in sentences]


class RecipeProblems(Exception):
    """A recipe that cannot be run; ``problems`` has every reason, in order.

    ``name`` is the recipe's name where it could be read.
    """

    def __init__(self, problems: Iterable[Problem], name: str | None = None) -> None:
        self.problems = tuple(problems)
        self.name = name
        super().__init__(self.problems, name)

    @classmethod
    def of(cls, message: str) -> RecipeProblems:
        """One problem, of the whole recipe or the command line."""
        return cls([Problem("", message)])

    def __str__(self) -> str:
        return "\n".join(problem.message for problem in self.problems)


class SessionError(UserError):
    """A session that is closed, or that another one of this process excludes."""


class GraphError(UserError):
    """Stages that do not make a graph."""


SECTIONS = ("transfer_set", "teachers.", "schedule.", "student", "ensemble.")
"""The beginnings of full places."""


def problem_of(error: UserError, section: str) -> Problem:
    """The error as a problem of the recipe, with full places in its sentence."""
    inside = error.path
    if not inside or inside.startswith(SECTIONS):
        return Problem(inside or section, error.message)
    whole = f"{section}.{inside}"
    return Problem(whole, error.message.replace(f"`{inside}`", f"`{whole}`"))
