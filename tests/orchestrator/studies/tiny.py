"""A study that is done within seconds, in this process or as the command line runs it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
import yaml
from rich.console import Console

from orchestrator.execution.session import Session
from orchestrator.recipe.loading import load_recipe
from orchestrator.results.study_report import StudyReport
from orchestrator.studies.run_study import run_study

NAME = "tiny"
TORCH = {"kind": "torch"}
WEIGHT = "student.objective.soft_targets.weight"
SPACE = {
    "student.model.hidden": {"list": {"int": [4, 32], "log": True}, "length": 1},
    WEIGHT: {"float": [0.0, 1.0]},
    "student.objective.task.weight": {"complement": WEIGHT},
    "schedule": {
        "choice": {
            "direct": "offline",
            "by_one": {
                "kind": "assistants",
                "path": [{"kind": "mlp", "hidden": [{"int": [34, 35]}]}],
            },
        }
    },
}


def recipe(space: Mapping[str, Any] = SPACE, **search: Any) -> dict[str, Any]:
    """One teacher, a student of some steps, and a section ``search``; threads are auto."""
    return {
        "name": NAME,
        "cluster": {"mode": "in_process"},
        "transfer_set": {"kind": "digits", "validation": 200, "fraction": 0.1},
        "teachers": {
            "wide": {
                "model": {"kind": "mlp", "hidden": [64]},
                "train": {"epochs": 3, "threads": 1, "batch_size": 32, "optimizer": {"lr": 0.05}},
                "engine": TORCH,
            }
        },
        "student": {
            "model": {"kind": "mlp", "hidden": [16]},
            "engine": TORCH,
            "objective": {"task": {"weight": 0.5}, "soft_targets": {"weight": 0.5}},
            "train": {"epochs": 3, "batch_size": 32, "optimizer": {"lr": 0.1}},
        },
        "search": {"trials": 6, "parallel": 2, "repeats": 0, "space": dict(space), **search},
    }


def written(folder: Path, data: Mapping[str, Any]) -> Path:
    """The recipe as a file in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "recipe.yaml"
    file.write_text(yaml.safe_dump(dict(data), sort_keys=False))
    return file


def run(folder: Path, data: Mapping[str, Any], *overrides: str, new: bool = False) -> StudyReport:
    """Runs what is left of the study, in ``folder``/home."""
    loaded = load_recipe(written(folder, data), overrides)
    with Session(folder / "home", loaded.recipe.cluster) as session:
        return run_study(loaded, session, new=new, console=Console(file=io.StringIO()))


def numbers(folder: Path, name: str = NAME) -> dict[str, int]:
    """What stands where the recipe says auto, in a study in ``folder``/home."""
    study = optuna.load_study(study_name=name, storage=f"sqlite:///{folder}/home/study.db")
    found: dict[str, int] = study.user_attrs["stillhouse.numbers"]
    return found


def stored(folder: Path, name: str = NAME) -> list[optuna.trial.FrozenTrial]:
    """The trials of a study in ``folder``/home."""
    study = optuna.load_study(study_name=name, storage=f"sqlite:///{folder}/home/study.db")
    return study.get_trials()


def history(folder: Path, name: str = NAME) -> list[tuple[Any, ...]]:
    """What an undisturbed study must have in common with one that was killed."""
    return [
        (trial.number, trial.params, trial.values, trial.state.name)
        for trial in stored(folder, name)
    ]
