"""Gathers how a student was taught, from what its stage, its teachers' shelves and a measurement
before the run have left; what is absent there is left out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.execution.bank_shelves import BankShelves
from orchestrator.execution.executor import StageResult
from orchestrator.home.store import Store
from orchestrator.planning.plan import Plan
from orchestrator.profiling.measured_plan import read_measured
from orchestrator.report.collect_terms import committed_rows
from orchestrator.report.stage_overlap import Span, share_beside, stage_spans
from orchestrator.results.teaching_report import Prediction, StepSpeed, TeacherRun, TeachingReport
from students.knowledge import AnswerCounts
from students.storage.step_log import Row
from students.transfer_sets.transfer_set import TransferSet
from teachers.bank.budget import views_on_disk
from teachers.bank.shelf import shelf_digest
from teachers.inference.inference_config import InferenceConfig
from teachers.qualification.records import read_tuning, read_verdict


@dataclass(frozen=True)
class TeachingFigures:
    """Gathers for one plan; ``finished`` are the stages of one repeat, by name, and
    ``everything`` those of all repeats."""

    plan: Plan
    store: Store
    transfer_set: TransferSet
    finished: Mapping[str, StageResult]
    everything: Sequence[StageResult]

    def report(self) -> TeachingReport:
        """How the student was taught."""
        student = self.finished["student"]
        names = student.stage.teachers
        shelves = {name: self._shelf(name) for name in names}
        inferences = _inferences(self.store.folder(student.stage.digest))
        teachers = {
            name: teacher_run(
                inferences.get(name), shelves[name], student.outcome.answers.get(name)
            )
            for name in names
        }
        return TeachingReport(
            teachers=teachers,
            student=self._speed("student"),
            untaught=self._speed("controls.untaught"),
            bytes=_stored_bytes(shelves.values()) if names else None,
            foretold=self._foretold(student),
        )

    def _speed(self, name: str) -> StepSpeed | None:
        result = self.finished.get(name)
        if result is None:
            return None
        others = [
            stage_spans(self.store.folder(other.stage.digest), other.outcome.segments)
            for other in self.everything
            if other.stage.digest != result.stage.digest
        ]
        return step_speed(committed_rows(self.store, result), others)

    def _shelf(self, name: str) -> Path:
        about = BankShelves(self.plan, self.store, self.transfer_set, {}).about(name)
        return self.store.bank / shelf_digest(about)

    def _foretold(self, student: StageResult) -> Prediction | None:
        measured = read_measured(self.store.runs / self.plan.run_name)
        if measured is None:
            return None
        own = measured.stage(student.stage.digest)
        return Prediction(
            seconds=measured.seconds,
            samples_per_second=None if own is None else own.samples_per_second,
            stages={stage.name: stage.seconds for stage in measured.stages},
            bytes=None if measured.bank is None else measured.bank.bytes,
        )


def step_speed(rows: Iterable[Row], others: Iterable[Sequence[Span]] = ()) -> StepSpeed | None:
    """The speed of all steps but the first, in which things are made ready; none where there
    are no others. ``others`` is when each other stage was at work."""
    steps = [row for row in rows if row.kind == "step"]
    counted = [row.values for row in steps[1:]]
    seconds = sum(values["step_seconds"] for values in counted)
    if not seconds:
        return None
    samples = sum(values["samples"] for values in counted)
    waited = sum(values["wait_seconds"] for values in counted)
    return StepSpeed(samples / seconds, waited / seconds, share_beside(steps, others))


def teacher_run(
    inference: InferenceConfig | None, shelf: Path, counts: AnswerCounts | None
) -> TeacherRun:
    """One teacher of the student, as far as it is known; ``shelf`` is its folder in the bank,
    whose tuning and verdict count where they are of the same manner."""
    told = {} if counts is None else vars(counts)
    if inference is None:
        return TeacherRun(**told)
    tuning, verdict = read_tuning(shelf), read_verdict(shelf)
    tuned = tuning is not None and tuning.chosen == inference
    judged = verdict is not None and verdict.inference == inference
    return TeacherRun(
        inference=str(inference),
        plain_rate=tuning.plain_rate if tuning and tuned else None,
        chosen_rate=tuning.chosen_rate if tuning and tuned else None,
        kl=verdict.fidelity.mean_kl if verdict and judged else None,
        same_argmax=verdict.fidelity.same_argmax if verdict and judged else None,
        verdict=str(verdict) if verdict and judged else None,
        **told,
    )


def _inferences(stage_folder: Path) -> dict[str, InferenceConfig]:
    """How each teacher was run, as the stage's first attempt settled it."""
    try:
        resolved = json.loads((stage_folder / "resolved.json").read_text())
        return {
            n: InferenceConfig.from_json(each) for n, each in resolved.get("manners", {}).items()
        }
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _stored_bytes(shelves: Iterable[Path]) -> int:
    return sum(view.bytes for shelf in set(shelves) for view in views_on_disk(shelf))
