"""The role that evaluates a finished model, in plain fp32, in a process of its own."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from students.custom_code import custom_code_errors
from students.evaluation.evaluate import compute_logits, evaluate
from students.specs import MODEL
from students.storage.outcome import TEST, FinishedModel, write_logits, write_outcome
from students.torch_state import use_threads
from students.transfer_sets.catalog import load_planned
from teachers.serving.host import TeacherSpec


@dataclass(frozen=True)
class Evaluator:
    """Evaluates the model ``spec`` of the stage in ``stage_folder``."""

    spec: TeacherSpec
    stage_folder: Path

    def evaluate(self, attempt: int) -> None:
        """Writes the outcome of a model whose weights were trained elsewhere: its figures, and its
        logits on the validation part."""
        began = time.monotonic()
        with use_threads(self.spec.threads), custom_code_errors(self.spec.path):
            transfer_set = load_planned(self.spec.data)
            outcome, logits = evaluate(self.spec.load_network(transfer_set), transfer_set)
        outcome = replace(outcome, seconds=time.monotonic() - began)
        write_outcome(self.stage_folder, attempt, {MODEL: FinishedModel(outcome, {}, logits)})

    def test(self, name: str) -> None:
        """Stores the logits of the stage's model ``name`` on the test part."""
        with use_threads(self.spec.threads), custom_code_errors(self.spec.path):
            transfer_set = load_planned(self.spec.data)
            network = self.spec.load_network(transfer_set)
            logits = compute_logits(network, transfer_set, transfer_set.test_ids)
        write_logits(self.stage_folder, name, TEST, logits)
