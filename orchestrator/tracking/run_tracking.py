"""Reports a run to the tracker: which stages it has, what they commit, how it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from orchestrator.execution.finished_network import finished_network
from orchestrator.execution.stage_works import StageResult, Watcher
from orchestrator.home.store import Store
from orchestrator.planning.fingerprint import STAGE_FORMAT
from orchestrator.planning.graph import Graph
from orchestrator.planning.stage import Stage
from orchestrator.results.run_report import RunReport
from orchestrator.tracking.desired import StageProgress
from orchestrator.tracking.mlflow_tracker import MlflowTracker, TrackerLocation
from orchestrator.tracking.tracker import RunSpec, Status, code_version, flatten
from orchestrator.tracking.writer import TrackingWriter
from students.events import Committed, Event
from students.specs import StageOutput
from students.storage.step_log import Segments
from students.transfer_sets.transfer_set import TransferSet

SECONDS_TO_SEND = 60.0
"""How long the end of a run waits for the tracker; what is left goes with the next run."""
SECONDS_TO_SEND_WHEN_BROKEN_OFF = 3.0


class RunTracking(Watcher):
    """Watches a run for the tracker. Nothing here waits, except ``close``."""

    def __init__(
        self,
        graph: Graph,
        store: Store,
        recipe: Mapping[str, Any],
        location: TrackerLocation,
        say: Callable[[str], None],
    ) -> None:
        self._graph = graph
        self._store = store
        self._say = say
        self._titles: dict[str, str] = {}
        """The first title of each stage, by digest: a chosen candidate has another one later."""
        identity = ("stillhouse.recipe", graph.digest)
        run = RunSpec(graph.name, identity, flatten(recipe), lineage(graph))
        every = graph.tracking.every
        self._writer = TrackingWriter(lambda: MlflowTracker(location), run, every, say=say)

    def on_begin(self, stage: Stage, attempt: int) -> None:
        """Reports that the stage is under way, once something else is sent."""
        self._report(stage, (), "RUNNING")

    def on_event(self, stage: Stage, event: Event) -> None:
        """Reports the rows that a commit has made final."""
        if isinstance(event, Committed):
            self._report(stage, event.segments, "RUNNING")
            self._writer.start()

    def on_end(self, result: StageResult) -> None:
        """Reports the whole of the stage's history."""
        for outcome in result.outcomes.values():
            self._report(result.stage, outcome.segments, "FINISHED")

    def add_report(self, report: RunReport, files: Sequence[Path]) -> None:
        """Stores the run's last figures and the pages and pictures that show them."""
        self._writer.set_scores(report.scores())
        self._writer.add_files(files)

    def add_student(self, result: StageResult, transfer_set: TransferSet) -> None:
        """Stores the student for use elsewhere."""
        send_student(self._writer, result, self._store, transfer_set)

    def close(self, status: Status, seconds: float) -> list[str]:
        """Reports how the run ended and sends what is left, within ``seconds``.

        A run that is interrupted before its first commit has nothing to send, so it does not
        connect. Returns the ids of the runs at the tracker, once it has everything; else none.
        """
        if status == "KILLED" and not self._writer.started:
            return []
        self._writer.finish(status)
        unsent = self._writer.drain(seconds)
        for sentence in unsent:
            self._say(f"not tracked yet: {sentence}; the next run of this recipe sends it")
        return [] if unsent else self._writer.run_ids()

    def _report(self, stage: Stage, segments: Segments, status: Status) -> None:
        tags = {"stillhouse.repeat": str(stage.repeat), **lineage(self._graph)}
        for ref in stage.teachers:
            tags[f"stillhouse.teacher.{ref.name}"] = ref.stage
            if ref.output.is_anchor:
                tags[f"stillhouse.anchor.{ref.name}"] = str(ref.output.epochs)
        for student in stage.cohort:
            if isinstance(student.weights, StageOutput):
                tags["stillhouse.starts_from"] = student.weights.stage
        title = self._titles.setdefault(stage.digest, stage.title)
        identity = ("stillhouse.stage", f"{stage.digest}:{title}")
        spec = RunSpec(title, identity, flatten(stage.fingerprint), tags)
        folder = self._store.folder(stage.digest)
        self._writer.set_stage(StageProgress(spec, folder, segments, status))


def send_student(
    writer: TrackingWriter, result: StageResult, store: Store, transfer_set: TransferSet
) -> None:
    """Has the ``writer`` store the student of a stage."""
    example = torch.stack([transfer_set.inputs[0], transfer_set.inputs[1]])
    for name, ref in result.stage.models.items():
        network = finished_network(ref, result.stage, store, transfer_set)
        writer.set_student(network, example, result.outcomes[name].weights_sha256)


def lineage(graph: Graph) -> dict[str, str]:
    """What a run was made of: digests of recipe and data, the version of the code."""
    return {
        "stillhouse.recipe_digest": graph.digest,
        "stillhouse.data": graph.data.identity,
        "stillhouse.code": f"{code_version()}, stage format {STAGE_FORMAT}",
    }
