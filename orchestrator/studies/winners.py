"""Trains the winners of a study again on fresh seeds, and only then looks at the test part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.execution.graph_run import GraphResult
from orchestrator.execution.stage_works import StageResult
from orchestrator.execution.stored_predictions import StoredPredictions
from orchestrator.recipe.files import printable_anywhere
from orchestrator.recipe.yaml_values import dump_yaml
from orchestrator.report.compare_seeds import spread
from orchestrator.results.study_report import TestFigures, Winner
from orchestrator.studies.objective import TrialObjective, student_of
from search.trials import Known
from students.durable_files import write_atomically
from students.evaluation import metrics
from students.specs import StageOutput
from students.storage.outcome import TEST, VALIDATION


@dataclass(frozen=True)
class WinnerTraining:
    """Trains winners with ``repeats`` fresh seeds beside the trial's own; writes their recipes into
    ``folder``."""

    objective: TrialObjective
    repeats: int
    folder: Path

    def winners(
        self, front: list[Known], on_done: Callable[[Known], None]
    ) -> Iterator[tuple[Winner, GraphResult]]:
        """Each winner of ``front``, as soon as it is trained, with its stages."""
        session = self.objective.session
        graphs = {
            trial.number: self.objective.graph(
                self.objective.trial(trial.overrides), repeats=1 + self.repeats
            )
            for trial in front
        }
        futures = {number: session.submit(graph) for number, graph in graphs.items()}
        try:
            for place, trial in enumerate(front):
                done = futures[trial.number].result()
                yield self._winner(trial, done, first=place == 0), done
                on_done(trial)
        finally:
            for future in futures.values():
                future.cancel()

    def _winner(self, trial: Known, done: GraphResult, *, first: bool) -> Winner:
        own = student_of(done)
        fresh = [student_of(done, repeat) for repeat in range(1, 1 + self.repeats)]
        recipe = self.folder / f"best-{trial.number}.yaml"
        text = dump_yaml(printable_anywhere(self.objective.trial(trial.overrides))).encode()
        write_atomically(recipe, text)
        if first:
            write_atomically(self.folder / "best.yaml", text)
        [outcome] = own.outcomes.values()
        figures = {
            part: [self._figures(each, done, part) for each in (own, *fresh)]
            for part in (VALIDATION, TEST)
        }
        repeats, test = {}, None
        if fresh:
            repeats = {
                name: spread([each[name] for each in figures[VALIDATION][1:]])
                for name in ("accuracy", "nll")
            }
            of_test = {
                name: spread([each[name] for each in figures[TEST][1:]])
                for name in ("accuracy", "nll")
            }
            test = TestFigures(own=figures[TEST][0]["accuracy"], **of_test)
        return Winner(
            trial=trial.number,
            overrides=trial.overrides,
            scores=trial.result.scores,
            repeats=repeats,
            test=test,
            weights_sha256=outcome.weights_sha256,
            recipe=str(recipe),
        )

    def _figures(self, student: StageResult, done: GraphResult, part: str) -> Mapping[str, float]:
        session = self.objective.session
        predictions = StoredPredictions(session.store, session.transfer_set(done.graph.data))
        [name] = student.outcomes
        logits = predictions.logits(StageOutput(student.stage.digest, name), part)
        targets = predictions.targets(part)
        return {
            "accuracy": metrics.accuracy(logits, targets),
            "nll": metrics.negative_log_likelihood(logits, targets),
        }
