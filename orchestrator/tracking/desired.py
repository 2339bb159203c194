"""What the tracker should have of a run: a value, which each change replaces.

So the thread that sends it reads it unlocked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.tracking.tracker import Metric, RunSpec, Status
from students.storage.step_log import Segments

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class StageProgress:
    """A stage under its run at the tracker: ``segments`` of its step log are committed."""

    spec: RunSpec
    folder: Path
    segments: Segments = ()
    status: Status = "RUNNING"


@dataclass(frozen=True)
class Desired:
    """Everything of one run; ``student`` is a network, two pictures, and its weights' sha256."""

    stages: Mapping[str, StageProgress] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    scores: tuple[Metric, ...] = ()
    student: tuple[nn.Module, Tensor, str] | None = None
    status: Status = "RUNNING"

    def ended(self, status: Status) -> Desired:
        """The same once the run has ended with ``status``, with the stages it leaves unfinished."""
        stages = dict(self.stages)
        for name, stage in self.stages.items():
            if stage.status == "RUNNING" and status != "FINISHED":
                stages[name] = replace(stage, status=status)
        return replace(self, stages=stages, status=status)
