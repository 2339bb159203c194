"""Runs one graph in a session: each node when what it needs is done; skips what is stored.

Waits for the stages under way; freed by their ends, or by the graph being cancelled.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from cluster.errors import RoleLost, RoleSilent
from orchestrator.execution.failure_policy import MOST_FAILURES
from orchestrator.execution.side_by_side import for_each
from orchestrator.execution.stage_runner import StageRunner
from orchestrator.execution.stage_works import StageResult, StageWork, Watcher
from orchestrator.execution.stored_predictions import StoredPredictions
from orchestrator.home.store import DECISION
from orchestrator.planning.graph import Choice, Decision, Graph, Node
from orchestrator.planning.stage import Stage
from orchestrator.planning.thread_allocation import resolve
from students.events import Event
from students.fault_injection import planned_faults
from students.json_records import write_json
from students.storage.outcome import TEST, read_logits

if TYPE_CHECKING:
    from orchestrator.execution.session import Session

_SECONDS_BETWEEN_LOOKS = 0.2
_SECONDS_TO_STOP = 30.0


@dataclass(frozen=True)
class Watchers(Watcher):
    """Several watchers as one, all called with everything; ``on_error`` with what they raise,
    ``on_growth`` with what a graph has grown to."""

    each: tuple[Watcher, ...]
    on_error: Callable[[BaseException], None] | None = None
    on_growth: Callable[[Graph], None] | None = None

    def on_wait(self, stage: Stage) -> None:  # noqa: D102
        self._tell(lambda watcher: watcher.on_wait(stage))

    def on_begin(self, stage: Stage, attempt: int) -> None:  # noqa: D102
        self._tell(lambda watcher: watcher.on_begin(stage, attempt))

    def on_event(self, stage: Stage, event: Event) -> None:  # noqa: D102
        self._tell(lambda watcher: watcher.on_event(stage, event))

    def on_failure(self, stage: Stage, sentence: str) -> None:  # noqa: D102
        self._tell(lambda watcher: watcher.on_failure(stage, sentence))

    def on_end(self, result: StageResult) -> None:  # noqa: D102
        self._tell(lambda watcher: watcher.on_end(result))

    def on_choice(self, choice: Choice, decision: Decision, graph: Graph) -> None:  # noqa: D102
        self._tell(lambda watcher: watcher.on_choice(choice, decision, graph))
        if self.on_growth is not None:
            self.on_growth(graph)

    def _tell(self, what: Callable[[Watcher], None]) -> None:
        for watcher in self.each:
            try:
                what(watcher)
            except BaseException as error:
                if self.on_error is None:
                    raise
                self.on_error(error)


@dataclass(frozen=True)
class GraphResult:
    """A graph that has grown to its end, the results of its stages in its order, and the titles of
    the choices that were ``decided`` now, not before."""

    graph: Graph
    results: tuple[StageResult, ...]
    decided: frozenset[str] = frozenset()


class GraphRun:
    """The run of one graph; ``cancelled`` ends it."""

    def __init__(
        self, session: Session, graph: Graph, watcher: Watcher, cancelled: threading.Event
    ) -> None:
        self._session = session
        self._graph = graph
        # A stage may be watched by other graphs too, which an error of this one's watcher is not
        # to reach.
        self._watcher = Watchers((watcher,), on_error=self._fail)
        self._error: BaseException | None = None
        self._cancelled = cancelled
        self._done: dict[str, StageResult] = {}
        self._decided: set[str] = set()
        self._under_way: dict[Future[StageResult], tuple[Stage, StageWork]] = {}

    def run(self) -> GraphResult:
        """Runs every node.

        Raises:
            KeyboardInterrupt: the graph was cancelled.
            Exception: the first one that a stage raises; stages that no other graph wants stop
                where they are, and resume from their last checkpoint when they are run again.
        """
        try:
            while self._begin_ready() or self._under_way:
                finished, _ = wait(self._under_way, _SECONDS_BETWEEN_LOOKS, FIRST_COMPLETED)
                self._go_on()
                for future in finished:
                    stage, _ = self._under_way.pop(future)
                    self._end(replace(future.result(), stage=stage))
            self._test()
            self._go_on()
        except BaseException:
            self._let_go()
            raise
        results = tuple(self._done[stage.title] for stage in self._graph.stages)
        return GraphResult(self._graph, results, frozenset(self._decided))

    def _fail(self, error: BaseException) -> None:
        self._error = self._error or error

    def _go_on(self) -> None:
        """Raises what is to end the graph, if anything is."""
        if self._error is not None:
            raise self._error
        if self._cancelled.is_set():
            raise KeyboardInterrupt

    def _begin_ready(self) -> bool:
        """Begins what can begin; returns whether something was finished at once."""
        finished = False
        for node in list(self._ready()):
            if isinstance(node, Choice):
                self._decide(node)
                finished = True
            elif outcomes := self._session.store.finished(node):
                self._end(StageResult(node, outcomes, ran=False, seconds=0.0))
                finished = True
            else:
                self._session.runtime(self._graph)
                work = self._session.works.join(node, self._watcher)
                self._under_way[work.future] = node, work
        return finished

    def _ready(self) -> Iterator[Node]:
        done = {result.stage.digest for result in self._done.values()}
        begun = {stage.digest for stage, _ in self._under_way.values()}
        for node in self._graph.nodes:
            over = node.title in self._done or node.title in self._graph.decisions
            # A stage under another title is read once the first one is done.
            if not over and node.digest not in begun and done.issuperset(node.needs):
                begun.add(node.digest)
                yield node

    def _end(self, result: StageResult) -> None:
        self._done[result.stage.title] = result
        self._watcher.on_end(result)

    def _decide(self, choice: Choice) -> None:
        """Decides a choice, unless it was decided before, and grows the graph."""
        store, fault = self._session.store, planned_faults(choice.name)
        with store.lock(choice.digest, lambda: None, self._cancelled):
            decision = store.decision(choice)
            if decision is None:
                if fault is not None:
                    fault(0)
                transfer_set = self._session.transfer_set(self._graph.data)
                decision = choice.decide(StoredPredictions(store, transfer_set))
                write_json(store.folder(choice.digest) / DECISION, asdict(decision))
                self._decided.add(choice.title)
                if fault is not None:
                    fault(1)
        self._graph = self._graph.grown(choice, decision)
        self._watcher.on_choice(choice, decision, self._graph)

    def _test(self) -> None:
        """Evaluates on the test part what was not yet, if the graph asks for that."""
        store = self._session.store
        untested = {
            stage.digest: stage
            for stage in self._graph.stages
            for name in stage.models
            if self._graph.tests and read_logits(store.folder(stage.digest), name, TEST) is None
        }
        if not untested:
            return
        session, runtime = self._session, self._session.runtime(self._graph)
        runner = StageRunner(store, session.pool, session.cores)

        def test(stage: Stage) -> None:
            with (
                store.lock(stage.digest, lambda: None, self._cancelled),
                session.works.slot(self._cancelled),
            ):
                self._test_stage(runner, stage)

        for_each(runtime, test, untested.values())

    def _test_stage(self, runner: StageRunner, stage: Stage) -> None:
        session = self._session
        resolved = session.store.resolved(stage.digest) or resolve(stage, session.cores)
        for left in reversed(range(MOST_FAILURES)):
            try:
                runner.test(stage, resolved, self._cancelled)
                break
            except (RoleLost, RoleSilent) as error:
                if not left:
                    raise
                sentence = f"its evaluation on the test part has failed ({error}) and starts again"
                self._watcher.on_failure(stage, sentence)

    def _let_go(self) -> None:
        """Lets go of the stages under way, and waits for the roles of those that stop."""
        for _, work in self._under_way.values():
            self._session.works.leave(work, self._watcher)
        left = [work.future for _, work in self._under_way.values() if work.stopping.is_set()]
        wait(left, _SECONDS_TO_STOP)
