"""Gives the scratch home what a stage leaves, so that the stages that need it can be timed."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from orchestrator.execution.finished_network import finished_network
from orchestrator.planning.stage import Stage
from orchestrator.profiling.bench import Bench
from students.models.network import Network, weights_sha256
from students.models.profile import costs
from students.storage.attempts import begin_attempt
from students.storage.outcome import FinishedModel, Outcome, write_outcome
from students.training.build import student_network


def provide_outcome(bench: Bench, stage: Stage) -> None:
    """Gives the scratch home the outcome of ``stage``: that of the real home, or of a training that
    was short enough to end, else one of initial weights, without answers."""
    folder = bench.scratch.folder(stage.digest)
    if bench.store.finished(stage):
        folder.symlink_to(bench.store.folder(stage.digest))
    elif not bench.scratch.finished(stage):
        data = bench.transfer_set
        models = {}
        for name, network in _networks(bench, stage):
            outcome = Outcome(weights_sha256(network.model), **vars(costs(network, data.shape)))
            weights = network.model.state_dict() if stage.cohort else {}
            models[name] = FinishedModel(outcome, weights, torch.empty(0, data.classes))
        folder.mkdir(parents=True, exist_ok=True)
        write_outcome(folder, begin_attempt(folder), models)


def _networks(bench: Bench, stage: Stage) -> Iterator[tuple[str, Network]]:
    data = bench.transfer_set
    for spec in stage.cohort:
        yield spec.name, student_network(spec, data, stage.data.folder)
    if stage.evaluates is not None:
        for name, ref in stage.models.items():
            yield name, finished_network(ref, stage, bench.store, data)
