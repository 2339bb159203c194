"""Rules about engines and places: what they cannot do, and what the recipe says elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from orchestrator.config import Recipe
from orchestrator.errors import Problem
from orchestrator.rules_training import trainings
from orchestrator.wording import shown
from students.config import EngineConfig

OWNED: dict[tuple[str, ...], str] = {
    ("train_batch_size",): "train.batch_size",
    ("train_micro_batch_size_per_gpu",): "train.micro_batch_size",
    ("gradient_accumulation_steps",): "train.micro_batch_size",
    ("gradient_clipping",): "train.gradient_clipping",
    ("optimizer",): "train.optimizer",
    ("scheduler",): "train.lr_schedule",
    ("zero_optimization", "stage"): "engine.zero_stage",
    ("zero_force_ds_cpu_optimizer",): "train.optimizer",
    ("bf16",): "train.precision",
    ("bfloat16",): "train.precision",
    ("fp16",): "train.precision",
    ("torch_autocast",): "train.precision",
}
"""DeepSpeed's keys that belong to the recipe, and where, below the model's section."""


def _deepspeed_keys(recipe: Recipe) -> Iterator[Problem]:
    for place, _, engine in trainings(recipe):
        where = f"{place}.engine.deepspeed"
        for path, owner in OWNED.items():
            value: Any = engine.deepspeed
            for key in path:
                value = value.get(key) if isinstance(value, dict) else None
            if value is not None:
                yield Problem(
                    f"{where}.{'.'.join(path)}",
                    f"`{where}.{'.'.join(path)}` is {shown(value)}, but the recipe owns it; say "
                    f"it as {place}.{owner}",
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
