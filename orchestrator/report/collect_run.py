"""Collects the report on one repeat of a run from its finished stages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from orchestrator.execution.graph_run import GraphResult
from orchestrator.formatting import writable
from orchestrator.home.store import Store
from orchestrator.planning.graph import Choice, Graph
from orchestrator.planning.schedules.assistants import CHOICE
from orchestrator.planning.schedules.route import CHOICE as ROUTE_CHOICE
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
    AnchorChoice,
    ChoiceReport,
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
    figures = ModelFigures(graph, store, transfer_set, finished, latency)
    models = figures.models()
    teachers, controls = models[StageRole.TEACHER], models[StageRole.CONTROL]
    generations = models[StageRole.GENERATION]
    student = next(model for model in finished if model.stage.role is StageRole.STUDENT)
    taught = models[StageRole.STUDENT].pop(student.name)
    stage, outcome = student.stage, student.outcome
    spec = next(spec for spec in stage.cohort if spec.name == student.output.name)
    rows = committed_rows(store.folder(stage.digest), outcome.segments)
    epochs, names = spec.train.last_epoch, tuple(map(writable, transfer_set.class_names))
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
        first_stage=models[StageRole.FIRST_STAGE].get("first_stage"),
        assistants=_by_number(models[StageRole.ASSISTANT]),
        generations=_by_number(generations),
        generations_ensemble=figures.ensemble_report(
            "generations", graph.ensembles.get(stage.title), [*generations.values(), taught]
        ),
        route=_by_number(models[StageRole.ROUTE]),
        route_choices=dict(_anchor_choices(graph)),
        choice=_choice(graph, models[StageRole.CANDIDATE]),
        stages=tuple(stage_reports(done)),
        curves=tuple(_curves(finished)),
        soft_targets=figures.soft_targets(),
        omitted=tuple(sorted(graph.data.transfer_set.omit)),
        teaching=collect_teaching(graph, store, transfer_set, own, results),
        teacher_weights=weighting_report(
            rows, stage.ensemble.weighting, names, samples_seen=graph.samples_seen
        ),
        terms=term_reports(rows, spec.objective, max(1, outcome.steps // epochs), epochs),
        remarks=(*graph.remarks, *_escapes(transfer_set.class_names)),
        failures=tuple(line for r in own for line in store.failures(r.stage.digest)),
        format=FORMAT,
    )


def _escapes(names: Sequence[str]) -> Iterator[str]:
    """A sentence on class names that are not shown as they are."""
    escaped = [shown for name in names if (shown := writable(name)) != name]
    if escaped:
        yield (
            "Class names have characters that cannot be written, which are shown as escapes: "
            f"{', '.join(escaped)}."
        )


def stage_reports(done: GraphResult) -> Iterator[StageReport]:
    """All stages and choices of the graph, in its order. What a choice has added needs that choice,
    unless through something else that it has added; a stage that was a candidate under another name
    needs that one instead of its teachers."""
    nodes, titles = done.graph.nodes, dict[str, str]()
    results = {result.stage.title: result for result in done.results}
    added = {
        each.title: node.title
        for node in nodes
        if isinstance(node, Choice)
        for each in node.grow(done.graph.decisions[node.title].chosen)
    }
    for node in nodes:
        needs = tuple(titles[need] for need in node.needs)
        if node.title in added:
            if node.digest in titles:
                needs = (titles[node.digest],)
            if added[node.title] not in map(added.get, needs):
                needs = (*needs, added[node.title])
        if isinstance(node, Choice):
            yield StageReport(node.title, node.digest, node.title in done.decided, 0.0, needs)
            continue
        result = results[node.title]
        yield StageReport(node.title, node.digest, result.ran, result.seconds, needs)
        titles[node.digest] = node.title


def _choice(graph: Graph, candidates: Mapping[str, ModelReport]) -> ChoiceReport | None:
    """How the assistant was chosen; none where it was not."""
    if (decision := graph.decisions.get(CHOICE)) is None:
        return None
    figures = decision.figures
    return ChoiceReport(
        name=CHOICE,
        chosen=decision.chosen,
        reason=decision.reason,
        target=figures["target"],
        ensemble=figures["ensemble"],
        untaught=figures["untaught"],
        accuracy=figures["candidates"],
        candidates=_by_number(candidates),
    )


def _anchor_choices(graph: Graph) -> Iterator[tuple[str, AnchorChoice]]:
    """How the anchors of a route were chosen, by the number of the stage after which each was."""
    for title, decision in graph.decisions.items():
        name, _, number = title.rpartition(".")
        if name == ROUTE_CHOICE:
            figures = decision.figures
            yield (
                number,
                AnchorChoice(
                    int(decision.chosen),
                    decision.reason,
                    figures["divergence"],
                    figures["threshold"],
                ),
            )


def _by_number(models: Mapping[str, ModelReport]) -> dict[str, ModelReport]:
    """Intermediate models by their number in the chain."""
    return {name.rpartition(".")[2]: model for name, model in models.items()}


def _curves(finished: tuple[FinishedModel, ...]) -> Iterator[LearningCurve]:
    """Validation of each student's model after each epoch, where there was any; of candidates
    that of the chosen one, as an assistant."""
    for model in finished:
        if model.stage.role in (StageRole.TEACHER, StageRole.CANDIDATE):
            continue
        points = [
            (point.epoch + 1, point.accuracy, point.nll)
            for point in model.outcome.curve
            if point.accuracy is not None and point.nll is not None
        ]
        epochs, accuracy, nll = zip(*points, strict=True) if points else ((), (), ())
        yield LearningCurve(model.name, epochs, accuracy, nll)
