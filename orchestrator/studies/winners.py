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
from orchestrator.studies.objective import StudentWatcher, TrialObjective
from search.config import LEARNED
from search.trials import FinishedTrial
from students.durable_files import write_atomically


@dataclass(frozen=True)
class WinnerTraining:
    """Trains winners on fresh seeds, which follow those of the trial; writes their recipes into
    ``folder``."""

    objective: TrialObjective
    folder: Path

    def winners(
        self, front: Sequence[FinishedTrial], on_seed: Callable[[int, int, int], None]
    ) -> Iterator[tuple[Winner, GraphResult]]:
        """Each winner of ``front``, as soon as it is trained, with its stages. ``on_seed`` is
        called with its number, how many of its seeds are trained, and how many it has."""
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
        finally:
            for future in futures.values():
                future.cancel()

    @property
    def _seeds(self) -> range:
        """The fresh ones, as repeats."""
        config = self.objective.config
        return range(config.seeds, config.seeds + config.repeats)

    def _watcher(self, on_seed: Callable[[int, int], None]) -> StudentWatcher:
        trained = set[str]()

        def count(result: StageResult | None = None) -> None:
            if result is not None and result.stage.role is StageRole.STUDENT:
                trained.add(result.stage.digest)
            on_seed(len(trained), self._seeds.stop)

        return StudentWatcher(self.objective.session.store, lambda stage: count(), count)

    def _winner(self, trial: FinishedTrial, done: GraphResult, *, first: bool) -> Winner:
        session, graph = self.objective.session, done.graph
        data, finished = session.transfer_set(graph.data), tuple(finished_models(done.results))
        figures = ModelFigures(graph, session.store, data, finished)
        students = {
            model.stage.repeat: figures.report(model)
            for model in finished
            if model.stage.role is StageRole.STUDENT
        }
        own, fresh = students[0], [students[repeat] for repeat in self._seeds]
        assert own.weights_sha256 is not None, "only an ensemble has none"
        recipe = self.folder / recipe_file(trial.number)
        text = dump_yaml(printable_anywhere(self.objective.trial(trial.overrides))).encode()
        write_atomically(recipe, text)
        if first:
            write_atomically(self.folder / "best.yaml", text)
        return Winner(
            trial=trial.number,
            overrides=trial.overrides,
            scores=trial.result.scores,
            repeats=_over_seeds([each.validation for each in fresh]),
            test=own.test,
            test_repeats=_over_seeds([each.test for each in fresh]),
            weights_sha256=own.weights_sha256,
            recipe=str(recipe),
        )


def _over_seeds(scores: Sequence[PartScores | None]) -> Mapping[str, SeedScores]:
    """The learned scores over fresh seeds; empty where there are none."""
    found: dict[str, SeedScores] = {}
    for name in LEARNED if scores else ():
        values = tuple(getattr(each, name) for each in scores)
        whole = spread(values)
        found[name] = SeedScores(whole.mean, whole.deviation, values)
    return found
