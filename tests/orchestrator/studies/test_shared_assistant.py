"""An assistant that two trials share is trained once, also where one of them is ended."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from orchestrator.execution.session import Session
from orchestrator.execution.stage_works import StageResult
from orchestrator.planning.stage import Stage
from orchestrator.planning.trials import read_search
from orchestrator.recipe.loading import load_recipe
from orchestrator.studies.objective import TrialObjective
from search.errors import TrialPruned
from search.explore import Observer
from students.storage.attempts import current_attempt
from tests.orchestrator.studies import tiny

ASSISTANT, STUDENT = "assistants.1", "student"
EPOCHS = 6
HIDDEN = "student.model.hidden"
WIDTHS = 8, 12
"""Of the students of two trials."""


@dataclass
class Trials:
    """Trains trials in one session, and records what each has given and which stages began."""

    objective: TrialObjective
    weights: dict[int, dict[str, str]] = field(default_factory=dict)
    joined: list[int] = field(default_factory=list)
    assistants: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)
    prunes_second: bool = False

    def on_stage(self, number: int, stage: Stage) -> None:
        if stage.title != ASSISTANT:
            return
        with self.lock:
            self.joined.append(number)
            self.assistants.add(stage.digest)
        if self.prunes_second and len(self.joined) == 2:
            raise TrialPruned("while the assistant is trained")

    def on_results(self, number: int, results: Sequence[StageResult]) -> None:
        self.weights[number] = {
            each.stage.title: outcome.weights_sha256
            for each in results
            for outcome in each.outcomes.values()
        }

    def evaluate(self, number: int, observe: Observer) -> str:
        overrides = {HIDDEN: [WIDTHS[number]]}
        plan = self.objective.check(overrides).plan
        try:
            self.objective.evaluate(number, overrides, observe, plan)
        except TrialPruned:
            return "PRUNED"
        return "COMPLETE"


@contextmanager
def trials(folder: Path) -> Iterator[Trials]:
    data = tiny.recipe({HIDDEN: {"list": {"int": [4, 16]}, "length": 1}})
    assistant = {"model": {"kind": "mlp", "hidden": [32]}, "train": {"epochs": EPOCHS}}
    data["schedule"] = {"kind": "assistants", "path": [assistant]}
    loaded = load_recipe(tiny.written(folder, data))
    config = read_search(loaded).config
    with Session(folder / "home", loaded.recipe.cluster) as session:
        objective, _ = TrialObjective.prepare(loaded, config, session)
        found = Trials(objective)
        objective.on_stage, objective.on_results = (found.on_stage,), found.on_results
        yield found


def goes_on(epoch: int, scores: object) -> None:
    pass


def ends_first(epoch: int, scores: object) -> None:
    raise TrialPruned("right after the assistant was trained")


@pytest.mark.slow
@pytest.mark.parametrize("when", ["while the assistant is trained", "right after"])
def test_a_trial_is_pruned_while_another_needs_its_assistant(tmp_path: Path, when: str) -> None:
    with trials(tmp_path / "shared") as both, ThreadPoolExecutor(2) as threads:
        both.prunes_second = when != "right after"
        observers = goes_on, goes_on if both.prunes_second else ends_first
        states = list(threads.map(both.evaluate, (0, 1), observers))
    assert sorted(states) == ["COMPLETE", "PRUNED"]
    assert sorted(both.joined) == [0, 1], "both needed the one that was trained"
    whole = states.index("COMPLETE")
    assert STUDENT not in both.weights[1 - whole]
    with trials(tmp_path / "alone") as alone:
        assert alone.evaluate(whole, goes_on) == "COMPLETE"
    assert both.weights[whole] == alone.weights[whole]
    [digest] = both.assistants
    assert current_attempt(tmp_path / "shared/home/stages" / digest) == 1, "it was trained once"
