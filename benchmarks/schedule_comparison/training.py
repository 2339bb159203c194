"""Trains the students of one setting, and evaluates them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import torch

import stillhouse
from benchmarks.ensemble_comparison.regimes import Regime
from benchmarks.ensemble_comparison.training import (
    HERE,
    ProgressMessages,
    Score,
    StudentTraining,
)
from benchmarks.schedule_comparison.regimes import ScheduleRegime
from orchestrator.execution.signals import interruptible
from orchestrator.execution.stage_works import StageResult
from orchestrator.home.run_status import record_running
from orchestrator.home.store import Store
from orchestrator.planning.stage import StageRole
from students.evaluation.metrics import accuracy, negative_log_likelihood
from students.specs import MODEL
from students.storage.outcome import TEST, VALIDATION, read_logits
from students.storage.step_log import read_committed
from students.transfer_sets.transfer_set import TransferSet

LEARNERS = (StageRole.GENERATION, StageRole.STUDENT)


@dataclass(frozen=True)
class ScheduleTraining(StudentTraining):
    """As ``StudentTraining``, but each seed has intermediate models of its own, unless the regime
    shares them. ``mean_of_generations``: the mean prediction of all generations is scored."""

    mean_of_generations: bool = False

    def train(
        self, regime: Regime, overrides: Sequence[str], *, first: int, seeds: int
    ) -> tuple[Score, ...]:
        """A score for each seed from ``first`` on; what is stored is not computed again.

        Raises:
            RecipeProblems: the recipe is invalid.
            UserError, ClusterError, TeacherError: training fails.
        """
        assert isinstance(regime, ScheduleRegime)
        path, scores = self.write_recipe(regime), []
        with interruptible(), stillhouse.Session(self.home, HERE) as session:
            session.store.prepare()
            for seed in range(first, first + seeds):
                of_seed = [f"student.train.seed={seed}"]
                if not regime.shared_assistants:
                    of_seed.append(f"seed={seed}")
                graph = stillhouse.plan(
                    stillhouse.load_recipe(path, [*overrides, *of_seed]), session
                )
                with record_running(graph, session.store):
                    done = session.submit(graph, ProgressMessages(self.log)).result()
                data = session.transfer_set(graph.data)
                scores.append(_score(data, session.store, list(self._scored(done.results))))
        return tuple(scores)

    def _scored(self, results: Sequence[StageResult]) -> Iterator[StageResult]:
        for result in results:
            role = result.stage.role
            if role in LEARNERS if self.mean_of_generations else role is StageRole.STUDENT:
                yield result


def _score(data: TransferSet, store: Store, results: Sequence[StageResult]) -> Score:
    """Of the mean prediction of the models of ``results``."""
    steps: list[float] = []
    answers: dict[str, list[torch.Tensor]] = {VALIDATION: [], TEST: []}
    for result in results:
        folder = store.folder(result.stage.digest)
        rows = read_committed(folder, result.outcomes[MODEL].segments)
        steps += [row.values["step_seconds"] for row in rows if row.kind == "step"]
        for part, found in answers.items():
            logits = read_logits(folder, MODEL, part)
            assert logits is not None
            found.append(logits.float().softmax(1))
    validation, test = (torch.stack(found).mean(0).log() for found in answers.values())
    targets = [torch.from_numpy(data.targets[ids]) for ids in (data.validation_ids, data.test_ids)]
    return Score(
        validation=accuracy(validation, targets[0]),
        nll=negative_log_likelihood(validation, targets[0]),
        test=accuracy(test, targets[1]),
        step=median(steps),
    )
