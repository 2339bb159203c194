"""Collects the report on one repeat of a run from its finished stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.execution.executor import StageResult
from orchestrator.home.store import Store
from orchestrator.planning.plan import Plan
from orchestrator.recipe.advice import all_have_seen, notes
from orchestrator.report.collect_models import ModelFigures, model_name, role_of
from orchestrator.report.collect_objective import term_reports, weighting_report
from orchestrator.report.collect_teaching import collect_teaching, committed_rows
from orchestrator.results.run_report import FORMAT, LearningCurve, RunReport, StageReport
from students.transfer_sets.transfer_set import TransferSet


def collect_run(
    plan: Plan,
    store: Store,
    transfer_set: TransferSet,
    results: Sequence[StageResult],
    *,
    latency: Mapping[str, Mapping[str, float]],
    seconds: float,
    repeat: int = 0,
) -> RunReport:
    """The report on the student of one ``repeat``, its teachers and its controls.

    ``latency`` is in ms per sample, by stage's digest, then by batch size.
    """
    finished = {
        result.stage.name: result
        for result in results
        if result.stage.repeat == repeat or role_of(result.stage.name) == "teacher"
    }
    figures = ModelFigures(plan, store, transfer_set, finished, latency)
    models = figures.models()
    controls = {model.name: model for model in models.values() if model.role == "control"}
    student = finished["student"]
    stage, spec, outcome = student.stage, student.stage.cohort[0], student.outcome
    rows = committed_rows(store.folder(stage.digest), outcome.segments)
    epochs = spec.train.epochs
    return RunReport(
        name=plan.recipe.name,
        recipe_digest=plan.digest,
        outcome="done",
        seconds=seconds,
        student=models["student"],
        untaught=controls.pop("untaught", None),
        teachers={model.name: model for model in models.values() if model.role == "teacher"},
        ensemble=models.get("ensemble"),
        controls=controls,
        stages=tuple(StageReport(r.stage.title, r.stage.digest, r.ran, r.seconds) for r in results),
        curves=tuple(
            _curve(result) for name, result in finished.items() if role_of(name) != "teacher"
        ),
        soft_targets=figures.soft_targets(),
        omitted=tuple(sorted(plan.recipe.transfer_set.omit)),
        teaching=collect_teaching(plan, store, transfer_set, finished, results),
        teacher_weights=weighting_report(
            rows,
            stage.ensemble.weighting,
            transfer_set.class_names,
            samples_seen=all_have_seen(plan.recipe),
        ),
        terms=term_reports(rows, spec.objective, max(1, outcome.steps // epochs), epochs),
        remarks=notes(plan.recipe),
        format=FORMAT,
    )


def _curve(result: StageResult) -> LearningCurve:
    """Validation of one stage's model after each epoch, where there was any."""
    points = [
        (point.epoch + 1, point.accuracy, point.nll)
        for point in result.outcome.curve
        if point.accuracy is not None and point.nll is not None
    ]
    epochs, accuracy, nll = zip(*points, strict=True) if points else ((), (), ())
    return LearningCurve(model_name(result.stage.name), epochs, accuracy, nll)
