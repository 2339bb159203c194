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
    """A stage under its run at the tracker: ``segments`` of the step log in its ``folder`` are
    committed. A study's trial has ``scores`` instead, and no folder."""

    spec: RunSpec
    folder: Path | None
    segments: Segments = ()
    status: Status = "RUNNING"
    scores: tuple[Metric, ...] = ()

    @property
    def label(self) -> str:
        """What it is called in messages."""
        return self.spec.name if self.folder is None else f"stage '{self.spec.name}'"


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
