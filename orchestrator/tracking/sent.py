"""What was sent of a run since the tracker was last asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.tracking.tracker import Status
from orchestrator.tracking.windows import CommittedMetrics, MetricBatch
from students.storage.step_log import Segments

if TYPE_CHECKING:
    from orchestrator.tracking.mlflow_tracker import MlflowTracker


@dataclass
class SentStage:
    """What was sent of one stage since the tracker was last asked."""

    run_id: str
    status: Status
    metrics: CommittedMetrics | None

    def can_continue(self, segments: Segments) -> bool:
        """Whether what is to be sent goes on where what was sent ends."""
        return self.metrics is None or self.metrics.can_continue(segments)

    def read(self, segments: Segments, *, finished: bool) -> Iterator[MetricBatch]:
        """What was committed since; nothing where there is no step log."""
        return iter(()) if self.metrics is None else self.metrics.read(segments, finished=finished)


@dataclass
class Sent:
    """What was sent of the whole run since the tracker was last asked.

    ``versions``: which version of each thing the tracker has, by the thing's name in messages.
    """

    tracker: MlflowTracker
    run_id: str
    versions: dict[str, object]
    stages: dict[str, SentStage] = field(default_factory=dict)
