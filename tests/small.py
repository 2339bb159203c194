"""A recipe that is done within seconds, on real data, for tests of whole stages and runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from orchestrator.planning.graph import Graph
from orchestrator.planning.planner import make_plan
from orchestrator.recipe.loading import LoadedRecipe, load_recipe


def recipe() -> dict[str, Any]:
    """Two trained teachers, a student with all that a loop has: views, hints, micro-batches."""
    train = {"epochs": 2, "threads": 1, "optimizer": {"lr": 0.05}}
    return {
        "name": "small",
        "transfer_set": {"kind": "digits", "validation": 100, "fraction": 0.2, "augment": "shift"},
        "teachers": {
            "wide": {"model": {"kind": "mlp", "hidden": [64]}, "train": train, "threads": 1},
            "deep": {"model": {"kind": "plain_cnn", "channels": [4, 4]}, "train": train,
                     "threads": 1},
        },
        "student": {
            "model": {"kind": "mlp", "hidden": [16], "dropout": 0.1},
            "objective": {
                "task": {"weight": 0.1},
                "soft_targets": {"weight": 0.9},
                "near": {"kind": "hint", "weight": 0.1, "teacher": "wide", "hint": "hidden.0",
                         "guided": "hidden.0"},
            },
            "train": {"epochs": 3, "batch_size": 64, "micro_batch_size": 32, "threads": 1,
                      "optimizer": {"lr": 0.1}},
        },
    }  # fmt: skip


def written(folder: Path, data: Mapping[str, Any] | None = None) -> Path:
    """The recipe as a file in ``folder``."""
    file = folder / "recipe.yaml"
    file.write_text(yaml.safe_dump(recipe() if data is None else dict(data), sort_keys=False))
    return file


def loaded(folder: Path, *overrides: str, data: Mapping[str, Any] | None = None) -> LoadedRecipe:
    """The recipe, read as the command line reads it."""
    return load_recipe(written(folder, data), overrides)


def planned(
    folder: Path,
    *overrides: str,
    data: Mapping[str, Any] | None = None,
    repeats: int = 1,
) -> Graph:
    """The recipe's graph; files it names lie in ``folder``."""
    read = loaded(folder, *overrides, data=data)
    return make_plan(read.recipe, folder=read.folder, cache=folder / "cache", repeats=repeats)


def digests(graph: Graph) -> dict[str, str]:
    """The digest of each stage by its title."""
    return {stage.title: stage.digest for stage in graph.stages}


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    """The stages that both have, under another digest."""
    return {title for title in before.keys() & after.keys() if before[title] != after[title]}


def titles(stages: Sequence[Any]) -> list[str]:
    """How the stages are called, in order."""
    return [stage.title for stage in stages]
