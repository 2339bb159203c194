"""Gathers from a student's committed spool who it listened to, and what each term said."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from orchestrator.execution.executor import StageResult
from orchestrator.home.store import Store
from orchestrator.planning.plan import Plan
from orchestrator.recipe.advice import all_have_seen
from orchestrator.results.term_report import TermReport, term_values
from orchestrator.results.weighting_report import WeightingReport, weighting_report
from students.errors import CheckpointError
from students.objectives.weight_schedule import weight_at
from students.storage.step_log import Row, read_committed
from teachers.weighting.held_out import judged_without


def committed_rows(store: Store, result: StageResult) -> list[Row]:
    """The rows of a finished stage; none where its spool is gone."""
    folder = store.folder(result.stage.digest)
    try:
        return list(read_committed(folder, result.outcome.segments))
    except CheckpointError:
        return []


@dataclass(frozen=True)
class LessonFigures:
    """Gathers for one plan and its finished ``student``; ``classes`` are names."""

    plan: Plan
    store: Store
    student: StageResult
    classes: tuple[str, ...]

    @cached_property
    def _rows(self) -> list[Row]:
        return committed_rows(self.store, self.student)

    def listening(self) -> WeightingReport | None:
        """Who was listened to; none where teachers count as the recipe says."""
        weighting = self.student.stage.ensemble.weighting
        return weighting_report(
            self._rows,
            weighting.kind,
            self.classes,
            seen=all_have_seen(self.plan.recipe),
            judged_without=judged_without(weighting),
        )

    def terms(self) -> dict[str, TermReport]:
        """The terms of the objective, where its steps tell of them."""
        spec = self.student.stage.cohort[0]
        epochs = spec.train.epochs
        steps_per_epoch = max(1, self.student.outcome.steps // epochs)
        said = term_values(self._rows, steps_per_epoch, epochs)
        return {
            name: TermReport(
                kind=term.kind,
                weights=tuple(weight_at(term.weight, epoch) for epoch in range(epochs)),
                values=said[name].values,
                gradients=said[name].gradients,
            )
            for name, term in spec.objective.items()
            if name in said
        }
