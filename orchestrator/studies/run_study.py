"""Runs a study in a session: explores its space, trains its winners again, reports and records."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import filelock
from rich.console import Console

from orchestrator.deep_check.deep_check import checked_plan
from orchestrator.errors import RecipeProblems
from orchestrator.execution.graph_run import GraphResult
from orchestrator.execution.session import Session
from orchestrator.planning.graph import Graph
from orchestrator.planning.trials import (
    numbers_for_auto,
    own_draws,
    space_problems,
    trial_recipe,
)
from orchestrator.recipe.loading import LoadedRecipe, printable
from orchestrator.results.study_report import Shared, StudyReport, TrialReport, Winner, write_study
from orchestrator.studies.objective import TrialObjective
from orchestrator.studies.study_progress import StudyProgress
from orchestrator.studies.winners import WinnerTraining
from orchestrator.tracking.tracker import flatten
from search.config import SearchConfig
from search.explore import explore
from search.study import StoredStudy, foreign_trials, open_storage, open_study
from search.trials import Asked, Known
from students.transfer_sets.transfer_set import TransferSet


@dataclass(frozen=True)
class Study:
    """A study that is ready to run: what it asks, where it is stored, its folder, what trains its
    trials."""

    asked: Asked
    stored: StoredStudy
    folder: Path
    objective: TrialObjective


def run_study(
    loaded: LoadedRecipe, session: Session, *, new: bool, console: Console
) -> StudyReport:
    """Runs what is left of the study of ``loaded`` in ``session``, and records it.

    ``new``: a study of that name which asks something else stays, and another one begins.

    Raises:
        RecipeProblems: everything that is wrong with the recipe or its space.
        StudyError: the study cannot be opened, or its trials fail with one cause.
        KeyboardInterrupt: it was interrupted; the same call goes on.
    """
    began = time.monotonic()
    session.store.prepare()
    config, graph, data = _checked(loaded, session)
    with ExitStack() as stack:
        study = stack.enter_context(_open(loaded, config, graph, data, session, new=new))
        progress = stack.enter_context(StudyProgress(console, study.asked))
        known: list[Known] = []
        try:
            session.begin(graph)
            known = explore(study.asked, study.stored, study.objective, progress)
            winners, _ = _train_winners(study, known, progress)
        except BaseException as error:
            outcome = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            write_study(
                study.folder, _report(loaded, study, study.stored.known(), (), outcome, began)
            )
            raise
        report = _report(loaded, study, known, winners, "done", began)
        write_study(study.folder, report)
    return report


def _checked(loaded: LoadedRecipe, session: Session) -> tuple[SearchConfig, Graph, TransferSet]:
    """The section, the graph of the recipe's own student, its samples."""
    if problems := list(space_problems(loaded)):
        raise RecipeProblems(problems, loaded.recipe.name)
    config = loaded.recipe.search
    assert config is not None, "its corners were looked at"
    graph, data = checked_plan(trial_recipe(loaded, {}, {}), session.store)
    session.keep(data)
    return config, graph, data


@contextmanager
def _open(
    loaded: LoadedRecipe,
    config: SearchConfig,
    graph: Graph,
    data: TransferSet,
    session: Session,
    *,
    new: bool,
) -> Iterator[Study]:
    """Opens the study, which no other process of this home may run meanwhile."""
    home = session.store.home
    storage = open_storage(config.storage or f"sqlite:///{home / 'study.db'}")
    name = loaded.recipe.name
    stored = open_study(storage, name, config, _identity(loaded, config, graph), new=new)
    own, outside = own_draws(loaded)
    asked = Asked(
        name=stored.name,
        config=config,
        seed=loaded.recipe.seed,
        epochs=loaded.recipe.student.train.epochs,
        own=None if outside else own,
    )
    if config.from_ is not None:
        asked = replace(asked, foreign=foreign_trials(storage, config.from_, asked))
    folder = home / "studies" / stored.name
    folder.mkdir(parents=True, exist_ok=True)
    numbers = numbers_for_auto(graph, session.cores, config.parallel)
    latency = "latency_ms" in {*config.scores, *config.limits}
    with filelock.FileLock(folder / ".lock"):
        yield Study(asked, stored, folder, TrialObjective(loaded, session, data, numbers, latency))


def _identity(loaded: LoadedRecipe, config: SearchConfig, graph: Graph) -> Mapping[str, Any]:
    """What the history of a study follows from; how many trials there are is not part of it."""
    section = config.model_dump(mode="json", by_alias=True)
    asked = {
        name: section[name]
        for name in ("space", "scores", "limits", "sampler", "pruner", "parallel", "from")
    }
    recipe = {k: v for k, v in flatten(printable(loaded)).items() if not k.startswith("search.")}
    return {**asked, "seed": loaded.recipe.seed, "stages": graph.digest, "recipe": recipe}


def _train_winners(
    study: Study, known: Sequence[Known], progress: StudyProgress
) -> tuple[tuple[Winner, ...], list[GraphResult]]:
    front = [known[number] for number in study.stored.front()]
    training = WinnerTraining(study.objective, study.asked.config.repeats, study.folder)
    winners, stages = [], []
    for winner, done in training.winners(front, progress.on_winner):
        winners.append(winner)
        stages.append(done)
    return tuple(winners), stages


def _report(
    loaded: LoadedRecipe,
    study: Study,
    known: Sequence[Known],
    winners: tuple[Winner, ...],
    outcome: str,
    began: float,
) -> StudyReport:
    config, counts = study.asked.config, study.objective.counts
    return StudyReport(
        name=loaded.recipe.name,
        study=study.stored.name,
        outcome=outcome,  # type: ignore[arg-type]
        seconds=time.monotonic() - began,
        scores={str(name): each for name, each in config.scores.items()},
        limits={str(name): each for name, each in config.limits.items()},
        trials=tuple(
            TrialReport(
                trial.number,
                trial.result.state.name,
                trial.frozen.params,
                trial.overrides,
                trial.result.scores,
                trial.result.seconds,
                trial.result.reason,
            )
            for trial in known
        ),
        front=study.stored.front(),
        winners=winners,
        shared=Shared(
            counts.teacher_forwards_computed, counts.teacher_forwards_read, counts.stages_reused
        ),
        artifacts={"study.json": str(study.folder / "study.json")},
    )
