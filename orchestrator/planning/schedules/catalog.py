"""The table of schedules by their kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from orchestrator.planning.graph import Node
from orchestrator.planning.recipe_stages import RecipeStages
from orchestrator.planning.schedules.assistants import assistants, choose_assistant
from orchestrator.planning.schedules.born_again import born_again
from orchestrator.planning.schedules.offline import offline
from orchestrator.planning.schedules.route import greedy_route, route
from orchestrator.planning.schedules.two_stage import two_stage
from orchestrator.planning.stage import Stage, TeacherRef
from orchestrator.planning.stage_maker import StageMaker
from orchestrator.schedule_config import Assistants, Route

_SCHEDULES: Mapping[
    str, Callable[[StageMaker, Any, Sequence[TeacherRef], int], Iterator[Stage]]
] = {
    "offline": offline,
    "two_stage": two_stage,
    "assistants": assistants,
    "born_again": born_again,
    "route": route,
}
"""Each gives the stages for one repeat, the student's last; those before it that are shared
(``StageRole.is_shared``) are the same for all repeats."""


def schedule_nodes(stages: RecipeStages) -> tuple[Node, ...]:
    """All nodes of a recipe, in the order of its schedule."""
    maker, refs = stages.maker, stages.refs
    schedule = maker.recipe.schedule
    if isinstance(schedule, Assistants) and schedule.is_open:
        return choose_assistant(stages, schedule)
    if isinstance(schedule, Route) and schedule.is_greedy:
        return greedy_route(stages, schedule)
    of_repeat = _SCHEDULES[schedule.kind]
    return tuple(stages.whole(lambda repeat: of_repeat(maker, schedule, refs, repeat)))
