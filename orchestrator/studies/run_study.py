"""Runs a study in a session: explores its space, trains its winners again, reports and records."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from rich.console import Console

from orchestrator.execution.session import Session
from orchestrator.home.cleaning import delete_stages
from orchestrator.home.process_lock import hold_lock
from orchestrator.home.study_stages import LOCK, keep_stages
from orchestrator.planning.digest import digest_of
from orchestrator.planning.graph import Graph
from orchestrator.planning.stage import StageRole
from orchestrator.planning.trials import RecipeSearch, read_search, refuse_more_than_all_gpus
from orchestrator.recipe.loading import LoadedRecipe, printable
from orchestrator.results.study_report import StudyReport, Winner
from orchestrator.studies.objective import TrialObjective, student_of
from orchestrator.studies.references import train_references
from orchestrator.studies.report_study import StudyReporting
from orchestrator.studies.study import Study, StudyWatchers
from orchestrator.studies.study_progress import StudyProgress
from orchestrator.studies.trial_records import TrialRecords
from orchestrator.studies.winners import WinnerTraining
from orchestrator.tracking.mlflow_tracker import tracker_location
from orchestrator.tracking.run_tracking import SECONDS_TO_SEND, SECONDS_TO_SEND_WHEN_BROKEN_OFF
from orchestrator.tracking.study_tracking import StudyTracking
from orchestrator.tracking.tracker import Status, flatten
from search.config import Nsga2
from search.explore import StudyWatcher, explore
from search.front import best_first, front_of
from search.samplers import default_population
from search.study import close_storage, foreign_trials, open_storage, open_study
from search.trials import FinishedTrial, StudySpec


def run_study(
    loaded: LoadedRecipe,
    session: Session,
    *,
    new: bool,
    console: Console,
    environment: Mapping[str, str] = {},
) -> StudyReport:
    """Runs what is left of the study of ``loaded`` in ``session``, and records it.

    ``new``: a study of that name which asks something else stays, and another one begins.
    ``environment``: where a tracker's address is looked for, if the recipe gives none.

    Raises:
        RecipeProblems: everything that is wrong with the recipe or its space.
        StudyError: the study cannot be opened, or its trials fail with one cause.
        KeyboardInterrupt: it was interrupted; the same call goes on.
    """
    began, search = time.monotonic(), read_search(loaded)
    objective, graph = TrialObjective.prepare(loaded, search.config, session)
    refuse_more_than_all_gpus(graph, search, torch.cuda.device_count())
    with (
        _open(search, graph, objective, new=new, say=console.print) as study,
        StudyProgress(console, study.spec) as progress,
    ):
        reporting = StudyReporting(study, began)
        tracking = _tracking(
            study, loaded, graph, environment, progress.say, reporting.records.stages
        )
        if tracking.is_complete and (stored := reporting.read_complete()) is not None:
            progress.say(f"study '{study.stored.name}': stored already")
            return stored
        objective.on_results = reporting.records.add
        objective.on_stage = progress.on_stage, reporting.records.begin
        try:
            session.begin(graph)
            report, kept = _explore(study, _digests(graph), progress, reporting, tracking)
        except BaseException as error:
            reporting.fail(error)
            status: Status = "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
            tracking.close(status, SECONDS_TO_SEND_WHEN_BROKEN_OFF)
            raise
        # Of trials off the front no student stays, unless something else keeps it.
        keep_stages(study.folder, kept)
        delete_stages(session.store.home, reporting.records.trained(StageRole.STUDENT) - kept)
        tracking.add_report(report)
        tracking.close("FINISHED", SECONDS_TO_SEND)
    return report


def _explore(
    study: Study,
    own: set[str],
    progress: StudyProgress,
    reporting: StudyReporting,
    tracking: StudyTracking,
) -> tuple[StudyReport, set[str]]:
    """The report of the study, and the digests of the stages that it keeps, its recipe's ``own``
    among them."""
    reporting.begin()
    recorder = StageRecorder(reporting.records, set(own))
    watchers = StudyWatchers((recorder, progress, reporting, tracking))
    known = explore(study.spec, study.stored, study.objective, watchers)
    with train_references(study.objective) as references:
        winners, stages = _train_winners(study, known, progress, tracking)
        report = reporting.finish(winners, references)
    return report, own | stages | _digests(references.graph)


def _digests(graph: Graph) -> set[str]:
    return {stage.digest for stage in graph.stages}


def _tracking(
    study: Study,
    loaded: LoadedRecipe,
    graph: Graph,
    environment: Mapping[str, str],
    say: Callable[[str], None],
    stages: Callable[[int], Mapping[str, str]],
) -> StudyTracking:
    return StudyTracking(
        study.stored.name,
        digest_of(_identity(study.search, graph)),
        graph,
        printable(loaded),
        study.folder,
        tracker_location(study.objective.session.store.home, graph, environment),
        say,
        stages,
    )


@dataclass
class StageRecorder(StudyWatcher):
    """Keeps the ``stages`` that a study's trials use while it runs."""

    records: TrialRecords
    stages: set[str]

    def on_finish(self, trial: FinishedTrial) -> None:
        """Keeps the trial's stages."""
        self.stages.update(trial.result.record.get("stages", {}).values())
        self.stages.update(self.records.stages(trial.number).values())
        keep_stages(self.records.folder, self.stages)


@contextmanager
def _open(
    search: RecipeSearch,
    graph: Graph,
    objective: TrialObjective,
    *,
    new: bool,
    say: Callable[[str], None],
) -> Iterator[Study]:
    """Opens the study, which no other process of this home may run meanwhile."""
    config, home = search.config, objective.session.store.home
    with ExitStack() as stack:
        storage = open_storage(config.storage or f"sqlite:///{home / 'study.db'}")
        stack.callback(close_storage, storage)
        identity = {**_identity(search, graph), "recipe": flatten(search.values)}
        stored = open_study(storage, search.name, config, identity, new=new)
        # Another machine, which goes on with the study, may have other cores.
        objective.numbers = stored.keep("numbers", dict(objective.numbers))
        spec = StudySpec(
            name=stored.name,
            config=config,
            seed=search.seed,
            steps=search.steps,
            own=None if search.outside else search.own,
            foreign=foreign_trials(stored),
        )
        folder = home / "studies" / stored.name
        folder.mkdir(parents=True, exist_ok=True)
        waiting = f"study '{stored.name}': another process is running it; waiting for it"
        stack.enter_context(hold_lock(folder / LOCK, threading.Event(), lambda: say(waiting)))
        yield Study(search, spec, stored, folder, objective)


def _identity(search: RecipeSearch, graph: Graph) -> dict[str, Any]:
    """What the history of a study follows from; how many trials there are is part of it only where
    the population follows from that."""
    named = {"space", "scores", "limits", "sampler", "pruner", "parallel", "from_"}
    section = search.config.model_dump(mode="json", by_alias=True, include=named)
    if isinstance(search.config.sampler, Nsga2) and search.config.sampler.population is None:
        section["sampler"]["population"] = default_population(search.config)
    return {**section, "seed": search.seed, "stages": graph.digest}


def _train_winners(
    study: Study, known: Sequence[FinishedTrial], progress: StudyProgress, tracking: StudyTracking
) -> tuple[tuple[Winner, ...], set[str]]:
    """The winners, the best by the first score first, and the digests of their stages."""
    config = study.spec.config
    front = best_first(config, front_of(config, known))
    training = WinnerTraining(study.objective, study.folder)
    winners, stages = list[Winner](), set[str]()
    for winner, done in training.winners(front, progress.on_seed):
        if not winners:
            store, data = study.objective.session.store, study.objective.data
            tracking.add_student(student_of(done), store, data)
        progress.on_winner(winner.trial)
        winners.append(winner)
        stages |= _digests(done.graph)
    return tuple(winners), stages
