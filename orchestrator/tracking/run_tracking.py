"""Tells the tracker of a run: which stages it has, what they commit, what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from orchestrator.execution.executor import StageResult
from orchestrator.home.store import Store
from orchestrator.planning.fingerprint import STAGE_FORMAT
from orchestrator.planning.plan import Plan, Stage
from orchestrator.report.latency import finished_network
from orchestrator.results.run_report import RunReport
from orchestrator.tracking.mlflow_tracker import MlflowTracker, place
from orchestrator.tracking.tracker import Status, Tracker, flattened, recipe_run
from orchestrator.tracking.writer import StageRun, TrackingWriter
from students.events import Committed, Event
from students.transfer_sets.transfer_set import TransferSet

SECONDS_TO_SEND = 60.0
"""How long the end of a run waits for the tracker; what is left goes with the next run."""


class RunTracking:
    """Watches a run for the tracker. Nothing here waits, but for ``close``."""

    def __init__(
        self, plan: Plan, store: Store, recipe: Mapping[str, Any], environment: Mapping[str, str]
    ) -> None:
        self._plan = plan
        self._store = store
        tracking = plan.recipe.tracking
        where = place(
            store.home,
            plan.recipe.name,
            uri=tracking.uri,
            experiment=tracking.experiment,
            environment=environment,
        )

        def connect() -> Tracker:
            return MlflowTracker(where)

        run = recipe_run(plan.recipe.name, plan.digest, recipe, lineage(plan))
        self._writer = TrackingWriter(connect, run, tracking.every)
        for stage in plan.stages:
            self._writer.register(self._stage_run(stage))

    def on_wait(self, stage: Stage) -> None:
        """Nothing to tell."""

    def on_begin(self, stage: Stage, attempt: int) -> None:
        """The stage is under way."""
        self._writer.notify(stage.title, (), "RUNNING")

    def on_event(self, stage: Stage, event: Event) -> None:
        """Passes on what a commit made final."""
        if isinstance(event, Committed):
            self._writer.notify(stage.title, event.segments)

    def on_end(self, result: StageResult) -> None:
        """Passes on the whole of the stage's history."""
        self._writer.notify(result.stage.title, result.outcome.segments, "FINISHED")

    def add_report(self, report: RunReport, files: list[Path]) -> None:
        """Stores the run's last figures and the pages and pictures that show them."""
        self._writer.add_scores(report.scores())
        for file in files:
            self._writer.add_file(file)

    def add_student(self, result: StageResult, transfer_set: TransferSet) -> None:
        """Stores the student for use elsewhere."""
        network = finished_network(self._plan, self._store, result, transfer_set)
        example = torch.stack([transfer_set.inputs[0], transfer_set.inputs[1]])
        self._writer.add_student(network, example, result.outcome.weights_sha256)

    def close(self, status: Status, say: Callable[[str], None], seconds: float) -> None:
        """Says how the run ended and sends what is left, within ``seconds``."""
        self._writer.finish(status)
        for unsent in self._writer.drain(seconds):
            say(f"not sent to the tracker yet: {unsent}; the next run of this recipe sends it")

    def _stage_run(self, stage: Stage) -> StageRun:
        tags = {"stillhouse.repeat": str(stage.repeat), **lineage(self._plan)}
        for name, digest in zip(stage.teachers, stage.needs, strict=True):
            tags[f"stillhouse.teacher.{name}"] = digest
        return StageRun(
            name=stage.title,
            digest=stage.digest,
            folder=self._store.folder(stage.digest),
            params=flattened(stage.fingerprint),
            tags=tags,
        )


def lineage(plan: Plan) -> dict[str, str]:
    """What a run was made of: digests of recipe and data, the version of the code."""
    return {
        "stillhouse.recipe_digest": plan.digest,
        "stillhouse.data": plan.identity,
        "stillhouse.code": f"{code_version()}, stage format {STAGE_FORMAT}",
    }


def code_version() -> str:
    """The installed version of stillhouse."""
    try:
        return version("stillhouse")
    except PackageNotFoundError:
        return "not installed"
