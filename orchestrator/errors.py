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


Finding = tuple[str, str]
"""A problem in the making: its place, and the sentence that begins with that place, without it."""


def problems_from(findings: Iterable[Finding]) -> list[Problem]:
    """Findings as problems, whose sentences begin with the place in backquotes."""
    return [Problem(place, f"`{place}` {rest}") for place, rest in findings]


class RecipeProblems(Exception):
    """A recipe that cannot be run; ``problems`` has every reason, in order.

    ``name`` is the recipe's name where it could be read.
    """

    def __init__(self, problems: Iterable[Problem], name: str | None = None) -> None:
        self.problems = tuple(problems)
        self.name = name
        super().__init__(self.problems, name)

    def __str__(self) -> str:
        return "\n".join(problem.message for problem in self.problems)


SECTIONS = ("transfer_set", "teachers.", "student", "ensemble.")
"""The beginnings of full places."""


def problem_of(error: UserError, section: str) -> Problem:
    """The error as a problem of the recipe, with full places in its sentence."""
    inside = error.path
    if not inside or inside.startswith(SECTIONS):
        return Problem(inside or section, error.message)
    whole = f"{section}.{inside}"
    return Problem(whole, error.message.replace(f"`{inside}`", f"`{whole}`"))
