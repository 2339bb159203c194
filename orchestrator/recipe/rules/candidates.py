"""Rules about a path that is chosen among candidates by figures on the validation part."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from orchestrator.config import Recipe
from orchestrator.schedule_config import Assistants
from students.config import StudentConfig


def _candidates(recipe: Recipe) -> Iterator[str]:
    schedule = recipe.schedule
    if not isinstance(schedule, Assistants):
        return
    if schedule.candidates and not schedule.is_open:
        yield (
            "`schedule.candidates` has no effect, since `schedule.path` is a list; take it out, or "
            "write `path: auto`"
        )
    if schedule.is_open and not schedule.candidates:
        yield (
            "`schedule.path` is 'auto', but `schedule.candidates` is empty; list the models of "
            "which one is taken, or give a path"
        )
    if not schedule.is_open:
        return
    taught = {place: recipe.taught[place] for place in schedule.entries}
    for (one, first), (other, second) in combinations(taught.items(), 2):
        if _identity(first) == _identity(second):
            yield f"`{other}` is the same candidate as `{one}`; take one of them out"


def _identity(config: StudentConfig) -> object:
    """What two candidates may differ in."""
    return config.model.identity, config.train, config.objective, config.engine


def _figures(recipe: Recipe) -> Iterator[str]:
    """Whether there are figures to choose by."""
    if not recipe.schedule.is_open:
        return
    data = recipe.transfer_set
    if data.validation == "none":
        yield (
            "`schedule.path` is 'auto', which chooses by accuracy on the validation part, but "
            "`transfer_set.validation` is 'none'; give it a share, or give a path"
        )
    if data.labelled == 0:
        yield (
            "`schedule.path` is 'auto', which needs the student that is trained on labels alone, "
            "but `transfer_set.labelled` is 0; give labels, or give a path"
        )
    for name, teacher in recipe.teachers.items():
        if teacher.train is None and teacher.seen == "train":
            yield (
                "`schedule.path` is 'auto', which chooses by accuracy on the validation part, but "
                f"`teachers.{name}.seen` is 'train': these weights may have seen its samples; "
                "write `seen: none` if they have not, or give a path"
            )


candidate_rules = (_candidates, _figures)
