"""Rules about engines and places: what they cannot do, and what the recipe says elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.config import Recipe
from orchestrator.errors import Problem
from orchestrator.recipe.message_text import shown
from orchestrator.recipe.rules.training import trainings
from students.config import EngineConfig
from students.engines.deepspeed_settings import owned_settings


def _deepspeed_keys(recipe: Recipe) -> Iterator[Problem]:
    for place, _, engine in trainings(recipe):
        where = f"{place}.engine.deepspeed"
        for path, value, reason in owned_settings(engine.deepspeed):
            yield Problem(
                f"{where}.{path}",
                f"`{where}.{path}` is {shown(value)}, but it is not the user's to set ({reason}); "
                "take it out",
            )


def _torch_engine(recipe: Recipe) -> Iterator[Problem]:
    default = EngineConfig()
    for place, _, engine in trainings(recipe):
        if engine.kind != "torch":
            continue
        for name in ("zero_stage", "deepspeed"):
            value = getattr(engine, name)
            if value != getattr(default, name):
                yield Problem(
                    f"{place}.engine.{name}",
                    f"`{place}.engine.{name}` is {shown(value)}, which has no effect while "
                    f"`{place}.engine.kind` is 'torch'; take it out or choose deepspeed",
                )


def _one_process(recipe: Recipe) -> Iterator[Problem]:
    if recipe.cluster.mode != "in_process":
        return
    counts = [(f"{place}.engine.ranks", engine.ranks) for place, _, engine in trainings(recipe)]
    counts += [(f"teachers.{name}.replicas", one.replicas) for name, one in recipe.teachers.items()]
    for place, count in counts:
        if count > 1:
            yield Problem(
                place,
                f"`{place}` is {count}, but `cluster.mode` in_process has one process; make it 1 "
                f"or choose local",
            )


engine_rules = (_deepspeed_keys, _torch_engine, _one_process)
