"""Gives the scratch home what a stage leaves, so that the stages that need it can be timed."""

from __future__ import annotations

import torch

from orchestrator.execution.finished_network import finished_network
from orchestrator.planning.stage import Stage
from orchestrator.profiling.bench import Bench
from students.models.network import Network, weights_sha256
from students.models.profile import costs
from students.specs import MODEL
from students.storage.attempts import begin_attempt
from students.storage.outcome import FinishedModel, Outcome, write_extra, write_outcome
from students.training.build import student_network


def provide_outcome(bench: Bench, stage: Stage) -> None:
    """Gives the scratch home the outcome of ``stage``: that of the real home, or of a training that
    was short enough to end, else one of initial weights, without answers."""
    folder, data = bench.scratch.folder(stage.digest), bench.transfer_set
    if bench.scratch.finished(stage):
        return
    if bench.store.finished(stage):
        folder.symlink_to(bench.store.folder(stage.digest))
    else:
        folder.mkdir(parents=True, exist_ok=True)
        models = {}
        for name, network in _networks(stage, bench).items():
            outcome = Outcome(weights_sha256(network.model), **vars(costs(network, data.shape)))
            weights = network.model.state_dict() if stage.cohort else {}
            models[name] = FinishedModel(outcome, weights, torch.empty(0, data.classes))
        attempt = begin_attempt(folder)
        write_outcome(folder, attempt, models)
        for name in stage.extras:
            write_extra(folder, attempt, name, next(iter(models.values())))


def _networks(stage: Stage, bench: Bench) -> dict[str, Network]:
    data = bench.transfer_set
    if stage.evaluates is not None:
        return {MODEL: finished_network(stage.evaluates, stage, bench.scratch, data)}
    return {spec.name: student_network(spec, data, stage.data.folder) for spec in stage.cohort}
