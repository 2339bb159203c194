"""Examines a teacher whose weights were trained elsewhere: the role a runtime starts for it."""

from __future__ import annotations

import time
from pathlib import Path

from students.evaluation.evaluate import evaluate
from students.storage.outcome import Outcome, write_outcome
from students.torch_state import computing_on
from students.transfer_sets.catalog import load_transfer_set
from teachers.inference.loading import load_network
from teachers.serving.host import TeacherSpec


class Examiner:
    """Asks a loaded teacher, in plain fp32, for the validation and the test part."""

    def __init__(self, spec: TeacherSpec, stage_folder: Path, attempt: int) -> None:
        self.spec = spec
        self.stage_folder = stage_folder
        self.attempt = attempt

    def examine(self) -> None:
        """Leaves the outcome: what the teacher is, and what it answers; no weights of its own."""
        began, spec = time.monotonic(), self.spec
        with computing_on(spec.threads):
            transfer_set = load_transfer_set(
                spec.transfer_set, folder=spec.folder, cache=spec.cache
            )
            network = load_network(
                spec.model,
                spec.weights,
                transfer_set=transfer_set,
                folder=spec.folder,
                path=f"teachers.{spec.name}.weights",
                classes=spec.classes,
            )
            evaluation = evaluate(network, transfer_set)
        outcome = Outcome(**vars(evaluation.facts), seconds=time.monotonic() - began)
        write_outcome(
            self.stage_folder, self.attempt, outcome, weights={}, answers=evaluation.answers
        )
