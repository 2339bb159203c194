"""Reports a study to the tracker: a run for the study, and below it one for each finished trial."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.execution.stage_works import StageResult
from orchestrator.home.store import Store
from orchestrator.planning.graph import Graph
from orchestrator.results.study_report import FAIL, StudyReport
from orchestrator.tracking.desired import StageProgress
from orchestrator.tracking.mlflow_tracker import MlflowTracker, TrackerLocation
from orchestrator.tracking.run_tracking import lineage, send_student
from orchestrator.tracking.tracker import (
    RunSpec,
    Status,
    code_version,
    flatten,
    score_metrics,
)
from orchestrator.tracking.writer import TrackingWriter
from search.explore import StudyWatcher
from search.trials import FinishedTrial
from students.durable_files import file_sha256
from students.json_records import read_json, write_json
from students.transfer_sets.transfer_set import TransferSet

_RECORD = "tracked.json"
"""In a study's folder: that the tracker has everything."""
_SECONDS = "seconds"


class StudyTracking(StudyWatcher):
    """Watches a study for the tracker, to which no step is sent: the study's storage has each.
    Nothing here waits, except ``close``.

    ``name`` and ``identity`` (a digest of what is asked) are the study's, ``graph`` is that of its
    recipe's own values, ``recipe`` its plain values, ``folder`` where its report is. ``stages``
    gives the digests of a trial's stages that are done, by title.
    """

    def __init__(
        self,
        name: str,
        identity: str,
        graph: Graph,
        recipe: Mapping[str, Any],
        folder: Path,
        location: TrackerLocation,
        say: Callable[[str], None],
        stages: Callable[[int], Mapping[str, str]],
    ) -> None:
        self._stages = stages
        self._identity = f"{identity}:{name}"
        self._lineage = lineage(graph)
        self._folder = folder
        self._location = location
        self._say = say
        self._files: tuple[str, ...] = ()
        run = RunSpec(name, ("stillhouse.study", self._identity), flatten(recipe), self._lineage)
        every = graph.tracking.every
        self._writer = TrackingWriter(lambda: MlflowTracker(location), run, every, say=say)

    def on_begin(self, number: int, steps: int) -> None:
        """Connects, which takes seconds: there will be something to report."""
        self._writer.start()

    def on_finish(self, trial: FinishedTrial) -> None:
        """Reports a trial: what was drawn, its scores, its state, its stages by digest."""
        result = trial.result
        tags = {"stillhouse.state": result.state.name, **self._lineage}
        if result.reason is not None:
            tags["stillhouse.reason"] = result.reason
        # What a choice has added was not known when the trial was planned.
        stages = {**result.record.get("stages", {}), **self._stages(trial.number)}
        for title, digest in stages.items():
            tags[f"stillhouse.stage.{title}"] = digest
        identity = ("stillhouse.trial", f"{self._identity}:{trial.number}")
        spec = RunSpec(f"trial {trial.number}", identity, flatten(trial.overrides), tags)
        status: Status = "FAILED" if result.state.name == FAIL else "FINISHED"
        scores = score_metrics({**result.scores, _SECONDS: result.seconds}, 0)
        self._writer.set_stage(StageProgress(spec, None, (), status, scores))

    def add_report(self, report: StudyReport) -> None:
        """Stores the study's last figures, and its page, pictures and recipes."""
        self._writer.set_scores(report.tracked_scores(), step=len(report.trials))
        self._writer.add_files([Path(path) for path in report.artifacts.values()])
        self._files = tuple(report.artifacts)

    def add_student(self, result: StageResult, store: Store, transfer_set: TransferSet) -> None:
        """Stores the first winner for use elsewhere."""
        send_student(self._writer, result, store, transfer_set)

    def close(self, status: Status, seconds: float) -> None:
        """Reports how the study ended and sends what is left, within ``seconds``. One that is
        interrupted before its first trial does not connect."""
        if status == "KILLED" and not self._writer.started:
            return
        self._writer.finish(status)
        unsent = self._writer.drain(seconds)
        for sentence in unsent:
            self._say(f"not tracked yet: {sentence}; the same command sends it")
        if status == "FINISHED" and not unsent:
            run_ids = self._writer.run_ids()[:1]
            write_json(self._folder / _RECORD, self._record(run_ids, self._files))

    @property
    def is_complete(self) -> bool:
        """Whether this version has written the study's report, all its files are as they were, and
        the tracker has everything."""
        try:
            stored = read_json(self._folder / _RECORD)
            run_ids: Sequence[str] = stored["run_ids"]
            same = stored == self._record(run_ids, stored["files"])
            return same and self._location.has_finished(run_ids)
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def _record(self, run_ids: Sequence[str], files: Iterable[str]) -> dict[str, Any]:
        # Hashed, for a password may be in it.
        tracker = hashlib.sha256(f"{self._location.uri}\n{self._location.experiment}".encode())
        return {
            "version": code_version(),
            "tracker": tracker.hexdigest(),
            "run_ids": list(run_ids),
            "files": {name: file_sha256(self._folder / name) for name in files},
        }
