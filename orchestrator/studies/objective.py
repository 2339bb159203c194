"""What a study asks of a session: to check a student before it is trained, and to train it."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Self

from cluster.errors import first_line
from orchestrator.deep_check.deep_check import checked_plan
from orchestrator.deep_check.untrained_student import untrained_student
from orchestrator.errors import RecipeProblems, SessionError
from orchestrator.execution.graph_run import GraphResult
from orchestrator.execution.session import GraphFuture, Session
from orchestrator.execution.stage_works import StageResult, Watcher
from orchestrator.execution.stored_predictions import StoredPredictions
from orchestrator.home.store import Store
from orchestrator.planning.graph import Graph
from orchestrator.planning.stage import Stage, StageRole
from orchestrator.planning.trials import most_steps, numbers_for_auto, trial_recipe
from orchestrator.recipe.loading import LoadedRecipe
from orchestrator.report.latency import latency_of
from search.config import SearchConfig
from search.errors import StudyError, TrialFailed, TrialPruned
from search.explore import Observer, Overrides, TrialCheck
from search.trials import mean_scores
from students.errors import CheckpointError
from students.evaluation import metrics
from students.events import Committed, EpochReport, Event
from students.models.profile import costs
from students.specs import StageOutput
from students.storage.outcome import VALIDATION
from students.storage.step_log import Segments, read_committed
from students.transfer_sets.transfer_set import TransferSet

_ENDS_STUDY = (OSError, CheckpointError, SessionError, StudyError)
"""What is of the machine, and would happen to the next trial too."""


@dataclass
class TrialObjective:
    """Trains the trials of a study in one session: their graphs share stages, teachers, processes.

    ``config`` is the study's section; ``numbers`` stand where the recipe says auto; ``on_stage``
    are called with a trial's number and a stage of it that begins; ``on_results`` with its stages
    that are done, when it ends.
    """

    loaded: LoadedRecipe
    config: SearchConfig
    session: Session
    data: TransferSet
    numbers: Mapping[str, Any]
    on_stage: tuple[Callable[[int, Stage], None], ...] = ()
    on_results: Callable[[int, Sequence[StageResult]], None] = lambda number, results: None
    _under_way: list[GraphFuture] = field(default_factory=list)
    _cancelled: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def prepare(
        cls, loaded: LoadedRecipe, config: SearchConfig, session: Session
    ) -> tuple[Self, Graph]:
        """What trains the trials of ``loaded``; and the graph of its own values, deeply checked.

        Raises:
            RecipeProblems: everything that is wrong with these.
        """
        session.store.prepare()
        graph, data = checked_plan(trial_recipe(loaded, {}, {}), session.store)
        session.keep(data)
        numbers = numbers_for_auto(graph, session.cores, config.parallel)
        return cls(loaded, config, session, data, numbers), graph

    @property
    def measures_latency(self) -> bool:
        """Whether a student's latency is a score or has a limit."""
        return "latency_ms" in {*self.config.scores, *self.config.limits}

    def trial(self, overrides: Overrides) -> LoadedRecipe:
        """The recipe of a trial.

        Raises:
            RecipeProblems: everything that is wrong with it.
        """
        return trial_recipe(self.loaded, overrides, self.numbers)

    def graph(self, trial: LoadedRecipe, *, repeats: int = 1) -> Graph:
        """The stages of a trial's recipe, deeply checked.

        Raises:
            RecipeProblems: everything that is wrong with it.
        """
        store = self.session.store
        graph, data = checked_plan(trial, store, repeats=repeats, data=self.data)
        self.session.keep(data)
        return graph

    def check(self, overrides: Overrides) -> TrialCheck:
        """What a student costs, or why it cannot be trained; nothing is trained for that."""
        try:
            trial = self.trial(overrides)
            graph = self.graph(trial, repeats=self.config.seeds)
        except RecipeProblems as refused:
            return TrialCheck(tuple(problem.message for problem in refused.problems))
        data = self.session.transfer_set(graph.data)
        network, fingerprint = untrained_student(trial, graph, data)
        found: dict[str, float] = dict(vars(costs(network, data.shape)))
        if self.measures_latency:
            store, quiet = self.session.store, self.session.quiet
            found["latency_ms"] = latency_of(network, fingerprint, store, data, quiet)["1"]
        return TrialCheck(
            costs=found,
            record={"stages": {stage.title: stage.digest for stage in graph.stages}},
            steps=most_steps(self.config, [trial]),
            plan=replace(graph, tests=False),
        )

    def evaluate(
        self, number: int, overrides: Overrides, observe: Observer, plan: Graph
    ) -> Mapping[str, float]:
        """Trains a student; gives its accuracy and its negative log-likelihood (nats) on the
        validation part; the means, where a trial has several seeds, which are trained in turn.

        Raises:
            TrialFailed: it cannot be trained, or not to answers that are numbers.
            TrialPruned: ``observe`` has ended it.
        """
        by_seed, found = self.config.step == "seed", list[Mapping[str, float]]()
        done_stages = dict[str, StageResult]()
        watcher = StudentWatcher(
            self.session.store,
            partial(self._begin, number),
            lambda result: done_stages.setdefault(result.stage.title, result),
            None if by_seed else observe,
        )
        try:
            for seed in range(1, self.config.seeds + 1):
                done = self._train(plan.first_repeats(seed), watcher)
                found.append(self._scores(student_of(done, seed - 1), plan))
                if by_seed:
                    observe(seed, found[-1])
        except (TrialPruned, TrialFailed):
            self.on_results(number, tuple(done_stages.values()))
            raise
        self.on_results(number, tuple(done_stages.values()))
        return mean_scores(found)

    def _train(self, graph: Graph, watcher: StudentWatcher) -> GraphResult:
        """Runs a graph; of several seeds those before the last are stored."""
        with self._lock:
            if self._cancelled:
                raise KeyboardInterrupt
            future = self.session.submit(graph, watcher)
            self._under_way.append(future)
        try:
            return future.result()
        except (TrialPruned, *_ENDS_STUDY):
            raise
        except Exception as error:
            raise TrialFailed(first_line(error)) from error
        finally:
            future.cancel()
            self._under_way.remove(future)

    def _scores(self, student: StageResult, graph: Graph) -> Mapping[str, float]:
        """The scores of one student."""
        [name] = student.outcomes
        predictions = StoredPredictions(self.session.store, self.session.transfer_set(graph.data))
        logits = predictions.logits(StageOutput(student.stage.digest, name), VALIDATION)
        targets = predictions.targets(VALIDATION)
        scores = {
            "accuracy": metrics.accuracy(logits, targets),
            "nll": metrics.negative_log_likelihood(logits, targets),
        }
        if not all(map(math.isfinite, scores.values())):
            raise TrialFailed("the student's answers on the validation part are not finite")
        return scores

    def _begin(self, number: int, stage: Stage) -> None:
        for each in self.on_stage:
            each(number, stage)

    def cancel(self) -> None:
        """Ends the trials that are trained now; they resume from their last checkpoint."""
        with self._lock:
            self._cancelled = True
            under_way = tuple(self._under_way)
        for future in under_way:
            future.cancel()


def student_of(done: GraphResult, repeat: int = 0) -> StageResult:
    """The stage of the student of one repeat."""
    [found] = (
        result
        for result in done.results
        if result.stage.role is StageRole.STUDENT and result.stage.repeat == repeat
    )
    return found


class StudentWatcher(Watcher):
    """Passes on that stages begin and what they give; to ``observe``, if it is given, the epochs of
    the student, in order, whether they are trained now or were before."""

    def __init__(
        self,
        store: Store,
        on_stage: Callable[[Stage], object],
        on_result: Callable[[StageResult], object],
        observe: Observer | None = None,
    ) -> None:
        self._store = store
        self._on_stage = on_stage
        self._on_result = on_result
        self._observe = observe
        self._lock = threading.Lock()
        self._next = 1
        self._read: Segments = ()

    def on_begin(self, stage: Stage, attempt: int) -> None:
        """Passes it on."""
        self._on_stage(stage)

    def on_event(self, stage: Stage, event: Event) -> None:
        """Passes on the figures of an epoch; after a commit, those of earlier attempts too."""
        if stage.role is not StageRole.STUDENT or self._observe is None:
            return
        if isinstance(event, EpochReport):
            self._pass_on(event.epoch + 1, event.accuracy, event.nll)
        elif isinstance(event, Committed):
            folder = self._store.folder(stage.digest)
            rows = list(read_committed(folder, event.segments, self._read))
            self._read = event.segments
            for row in rows:
                if row.kind == "epoch":
                    self._pass_on(row.epoch + 1, row.values["accuracy"], row.values["nll"])

    def on_end(self, result: StageResult) -> None:
        """Passes on what has not been yet: of a stage that was stored, everything."""
        self._on_result(result)
        if result.stage.role is StageRole.STUDENT:
            for outcome in result.outcomes.values():
                for point in outcome.curve:
                    self._pass_on(point.epoch + 1, point.accuracy, point.nll)

    def _pass_on(self, epoch: int, accuracy: float | None, nll: float | None) -> None:
        with self._lock:
            # One that has a gap before it comes again, after the next commit.
            if self._observe is None or epoch != self._next or accuracy is None or nll is None:
                return
            self._next += 1
            self._observe(epoch, {"accuracy": accuracy, "nll": nll})
