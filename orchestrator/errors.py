"""What can be wrong with a recipe: problems, each at its place, all of them at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing to mend: ``path``, its dotted place ("" for the whole recipe or the command
    line), and ``message``, one sentence with the place, the value, the rule and the remedy."""

    path: str
    message: str

    def __str__(self) -> str:
        return self.message


class RecipeProblems(Exception):
    """A recipe that cannot be run as it stands; ``problems`` has every reason, in order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(problem.message for problem in self.problems)
