"""Trains the winners of a study again on fresh seeds, and only then looks at the test part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from orchestrator.execution.graph_run import GraphResult
from orchestrator.execution.stage_works import StageResult
from orchestrator.planning.stage import StageRole
from orchestrator.recipe.files import printable_anywhere
from orchestrator.recipe.yaml_values import dump_yaml
from orchestrator.report.collect_models import ModelFigures, finished_models
from orchestrator.report.compare_seeds import spread
from orchestrator.results.run_report import PartScores
from orchestrator.results.study_report import SeedScores, Winner, recipe_file
from orchestrator.studies.objective import StudentWatcher, TrialObjective, student_of
from search.trials import FinishedTrial
from students.durable_files import write_atomically
from students.storage.outcome import TEST, VALIDATION


@dataclass(frozen=True)
class WinnerTraining:
    """Trains winners with ``repeats`` fresh seeds, which follow those of the trial; writes their
    recipes into ``folder``."""

    objective: TrialObjective
    repeats: int
    folder: Path

    def winners(
        self,
        front: list[FinishedTrial],
        on_seed: Callable[[int, int, int], None],
        on_done: Callable[[int], None],
    ) -> Iterator[tuple[Winner, GraphResult]]:
        """Each winner of ``front``, as soon as it is trained, with its stages. ``on_seed`` is
        called with its number, how many of its seeds are trained, and how many it has; ``on_done``
        with its number, when it was received."""
        session = self.objective.session
        graphs = {
            trial.number: self.objective.graph(
                self.objective.trial(trial.overrides), repeats=self._seeds.stop
            )
            for trial in front
        }
        futures = {
            number: session.submit(graph, self._watcher(partial(on_seed, number)))
            for number, graph in graphs.items()
        }
        try:
            for place, trial in enumerate(front):
                done = futures[trial.number].result()
                yield self._winner(trial, done, first=place == 0), done
                on_done(trial.number)
        finally:
            for future in futures.values():
                future.cancel()

    @property
    def _seeds(self) -> range:
        """The fresh ones, as repeats."""
        own = self.objective.config.seeds
        return range(own, own + self.repeats)

    def _watcher(self, on_seed: Callable[[int, int], None]) -> StudentWatcher:
        trained = set[str]()

        def count(result: StageResult | None = None) -> None:
            if result is not None and result.stage.role is StageRole.STUDENT:
                trained.add(result.stage.digest)
            on_seed(len(trained), self._seeds.stop)

        return StudentWatcher(self.objective.session.store, lambda stage: count(), count)

    def _winner(self, trial: FinishedTrial, done: GraphResult, *, first: bool) -> Winner:
        own = student_of(done)
        fresh = [self._scores(student_of(done, repeat), done) for repeat in self._seeds]
        recipe = self.folder / recipe_file(trial.number)
        text = dump_yaml(printable_anywhere(self.objective.trial(trial.overrides))).encode()
        write_atomically(recipe, text)
        if first:
            write_atomically(self.folder / "best.yaml", text)
        [outcome] = own.outcomes.values()
        return Winner(
            trial=trial.number,
            overrides=trial.overrides,
            scores=trial.result.scores,
            repeats=_over_seeds([scores[VALIDATION] for scores in fresh]),
            test=self._scores(own, done)[TEST],
            test_repeats=_over_seeds([scores[TEST] for scores in fresh]),
            weights_sha256=outcome.weights_sha256,
            recipe=str(recipe),
        )

    def _scores(self, student: StageResult, done: GraphResult) -> Mapping[str, PartScores]:
        """The scores of a student by part."""
        session, graph = self.objective.session, done.graph
        figures = ModelFigures(
            graph,
            session.store,
            session.transfer_set(graph.data),
            tuple(finished_models([student])),
            {},
            graph.ensembles.get("ensemble"),
        )
        [model] = figures.models()[StageRole.STUDENT].values()
        assert model.validation is not None, "a study chooses by it"
        return {VALIDATION: model.validation, TEST: model.test}


def _over_seeds(scores: Sequence[PartScores]) -> Mapping[str, SeedScores]:
    """Accuracy and nll over fresh seeds; empty where there are none."""
    found = {}
    for name in ("accuracy", "nll") if scores else ():
        values = tuple(getattr(each, name) for each in scores)
        whole = spread(values)
        found[name] = SeedScores(whole.mean, whole.deviation, values)
    return found
