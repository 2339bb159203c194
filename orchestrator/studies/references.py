"""Models that the students of a study are compared with, from one graph of the recipe's values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from orchestrator.errors import RecipeProblems
from orchestrator.execution.session import GraphFuture
from orchestrator.planning.controls import UNTAUGHT
from orchestrator.planning.graph import Graph
from orchestrator.planning.stage import StageRole
from orchestrator.recipe.loading import with_values
from orchestrator.report.collect_models import ModelFigures, finished_models
from orchestrator.report.latency import latencies
from orchestrator.results.run_report import ModelReport
from orchestrator.studies.objective import TrialObjective


@dataclass(frozen=True)
class References:
    """The stages of the ``graph``, which ``future`` is the run of; ``missing`` are sentences that
    say why a model is not there."""

    objective: TrialObjective
    graph: Graph
    missing: tuple[str, ...]
    future: GraphFuture

    def models(self) -> Mapping[str, ModelReport]:
        """The models and the teachers' ensemble, by name, when they are trained."""
        session, graph = self.objective.session, self.graph
        measured = self.objective.measures_latency
        finished = tuple(finished_models(self.future.result().results))
        data = session.transfer_set(graph.data)
        latency = latencies(finished, session.store, data, session.quiet) if measured else {}
        figures = ModelFigures(graph, session.store, data, finished, latency)
        models = figures.models()
        teachers = models[StageRole.TEACHER]
        ensemble = figures.ensemble_report("ensemble", figures.ensemble, teachers.values())
        return {
            **teachers,
            **({} if ensemble is None else {"ensemble": ensemble}),
            **models[StageRole.CONTROL],
        }


@contextmanager
def train_references(objective: TrialObjective) -> Iterator[References]:
    """While open, what of the references is not stored is trained, beside anything else."""
    graph, missing = _graph(objective)
    future = objective.session.submit(graph)
    try:
        yield References(objective, graph, missing, future)
    finally:
        future.cancel()


def _graph(objective: TrialObjective) -> tuple[Graph, tuple[str, ...]]:
    """The teachers, and the untaught student of the recipe's own values; with a sentence that says
    why, where the recipe does not allow that one."""
    own, missing = objective.trial({}), tuple[str, ...]()
    try:
        own = with_values(own, {"controls": [UNTAUGHT]})
    except RecipeProblems as refused:
        reasons = "; ".join(each.message.partition("; ")[0] for each in refused.problems)
        missing = (f"There is no untaught student to compare with: {reasons}.",)
    graph = objective.graph(own)
    roles = (StageRole.TEACHER, StageRole.CONTROL)
    nodes = tuple(stage for stage in graph.stages if stage.role in roles)
    return replace(graph, nodes=nodes, remarks=()), missing
