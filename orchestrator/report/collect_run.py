"""Collects the report on one repeat of a run from its finished stages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from orchestrator.execution.graph_run import GraphResult
from orchestrator.execution.stage_works import StageResult
from orchestrator.formatting import writable
from orchestrator.home.store import Store
from orchestrator.planning.stage import StageRole
from orchestrator.report.collect_models import (
    FinishedModel,
    Latency,
    ModelFigures,
    finished_models,
)
from orchestrator.report.collect_objective import term_reports, weighting_report
from orchestrator.report.collect_teaching import collect_teaching, committed_rows
from orchestrator.results.run_report import (
    FORMAT,
    LearningCurve,
    ModelReport,
    RunReport,
    StageReport,
)
from students.transfer_sets.transfer_set import TransferSet


def collect_run(
    done: GraphResult,
    store: Store,
    transfer_set: TransferSet,
    *,
    latency: Latency,
    seconds: float,
    repeat: int = 0,
) -> RunReport:
    """The report on the student of one ``repeat``, its teachers and its controls."""
    graph, results = done.graph, done.results
    own = [r for r in results if r.stage.repeat == repeat or r.stage.role.is_shared]
    finished = tuple(finished_models(own))
    figures = ModelFigures(
        graph, store, transfer_set, finished, latency, graph.ensembles.get("ensemble")
    )
    models = figures.models()
    teachers, controls = models[StageRole.TEACHER], models[StageRole.CONTROL]
    generations = models[StageRole.GENERATION]
    student = next(model for model in finished if model.stage.role is StageRole.STUDENT)
    taught = models[StageRole.STUDENT].pop(student.name)
    stage, outcome = student.stage, student.outcome
    spec = next(spec for spec in stage.cohort if spec.name == student.output.name)
    rows = committed_rows(store.folder(stage.digest), outcome.segments)
    epochs = spec.train.last_epoch
    return RunReport(
        name=graph.name,
        recipe_digest=graph.digest,
        outcome="done",
        seconds=seconds,
        student=taught,
        untaught=controls.pop("untaught", None),
        students=models[StageRole.STUDENT],
        teachers=teachers,
        ensemble=figures.ensemble_report("ensemble", figures.ensemble, teachers.values()),
        controls=controls,
        assistants=_by_number(models[StageRole.ASSISTANT]),
        generations=_by_number(generations),
        generations_ensemble=figures.ensemble_report(
            "generations", graph.ensembles.get(stage.title), [*generations.values(), taught]
        ),
        stages=tuple(_stages(results)),
        curves=tuple(_curves(finished)),
        soft_targets=figures.soft_targets(),
        omitted=tuple(sorted(graph.data.transfer_set.omit)),
        teaching=collect_teaching(graph, store, transfer_set, own, results),
        teacher_weights=weighting_report(
            rows,
            stage.ensemble.weighting,
            tuple(map(writable, transfer_set.class_names)),
            samples_seen=graph.samples_seen,
        ),
        terms=term_reports(rows, spec.objective, max(1, outcome.steps // epochs), epochs),
        remarks=(*graph.remarks, *_escapes(transfer_set.class_names)),
        failures=tuple(line for r in own for line in store.failures(r.stage.digest)),
        format=FORMAT,
    )


def _stages(results: Sequence[StageResult]) -> Iterator[StageReport]:
    titles: dict[str, str] = {}
    for result in results:
        stage = result.stage
        needs = tuple(titles[need] for need in stage.needs)
        yield StageReport(stage.title, stage.digest, result.ran, result.seconds, needs)
        titles.setdefault(stage.digest, stage.title)


def _escapes(names: Sequence[str]) -> Iterator[str]:
    """A sentence on class names that are not shown as they are."""
    escaped = [shown for name in names if (shown := writable(name)) != name]
    if escaped:
        yield (
            "Class names have characters that cannot be written, which are shown as escapes: "
            f"{', '.join(escaped)}."
        )


def _by_number(models: Mapping[str, ModelReport]) -> dict[str, ModelReport]:
    """Intermediate models by their number in the chain."""
    return {name.rpartition(".")[2]: model for name, model in models.items()}


def _curves(finished: tuple[FinishedModel, ...]) -> Iterator[LearningCurve]:
    """Validation of each student's model after each epoch, where there was any."""
    for model in finished:
        if model.stage.role is StageRole.TEACHER:
            continue
        points = [
            (point.epoch + 1, point.accuracy, point.nll)
            for point in model.outcome.curve
            if point.accuracy is not None and point.nll is not None
        ]
        epochs, accuracy, nll = zip(*points, strict=True) if points else ((), (), ())
        yield LearningCurve(model.name, epochs, accuracy, nll)
