"""Reads what finished models, and ensembles of them, predict on the validation and the test part.

B batch, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from orchestrator.home.store import Store
from orchestrator.planning.graph import EnsembleSpec
from orchestrator.planning.stage import TeacherRef, class_maps
from students.evaluation import metrics
from students.knowledge import Question
from students.objectives.soft_targets import divergence
from students.objectives.softening import soften
from students.specs import StageOutput
from students.storage.outcome import TEST, VALIDATION, Outcome, read_logits
from students.transfer_sets.transfer_set import TransferSet
from teachers.config import EnsembleConfig
from teachers.ensemble.ensemble import Ensemble
from teachers.weighting.constant import Uniform


@dataclass(frozen=True)
class StoredPredictions:
    """The stored logits of finished stages in ``store``, on the parts of ``transfer_set``; the
    ``Evidence`` of choices."""

    store: Store
    transfer_set: TransferSet

    def outcomes(self, stage: str) -> Mapping[str, Outcome]:
        """What is known of each model of the stage of that digest."""
        return self.store.outcomes(stage)

    def logits(self, output: StageOutput, part: str) -> Tensor:
        """A model's logits float32 [B, C] on one part, on which it must have been evaluated."""
        logits = read_logits(self.store.folder(output.stage), output.name, part)
        assert logits is not None, "the run of the graph has evaluated it"
        return logits

    def softened(self, spec: EnsembleSpec, part: str, temperature: float) -> Tensor:
        """The distributions float64 [B, C] of an ensemble on one part. Where its rule cannot be
        applied to held-out parts, they are those of the uniform mean."""
        logits = torch.stack([self.logits(ref.output, part) for ref in spec.teachers]).double()
        rule = spec.ensemble.weighting
        ensemble = Ensemble(
            tuple(ref.name for ref in spec.teachers),
            self.transfer_set.classes,
            Uniform() if rule.training_only else rule,
            class_maps=class_maps(spec.teachers),
        )
        whole = ensemble.combine(Question(0, self.ids(part)), logits)
        return soften(
            whole.logits,
            whole.shares,
            whole.known,
            whole.present,
            temperature=temperature,
            mean=spec.ensemble.mean,
        )

    def targets(self, part: str) -> Tensor:
        """The labels int64 [B] of one part."""
        return torch.from_numpy(self.transfer_set.targets[self.ids(part)])

    def ids(self, part: str) -> npt.NDArray[np.int64]:
        """The sample ids of one part, in the order of the stored logits."""
        data = self.transfer_set
        return data.test_ids if part == TEST else data.validation_ids

    def accuracy(self, output: StageOutput, part: str = VALIDATION) -> float:
        """A model's accuracy on one part, from 0 to 1."""
        return metrics.accuracy(self.logits(output, part), self.targets(part))

    def divergence(self, teacher: TeacherRef, student: StageOutput) -> float:
        """The mean KL(teacher || student) in nats on the validation part, at temperature 1."""
        spec = EnsembleSpec((teacher,), EnsembleConfig())
        target = self.softened(spec, VALIDATION, 1.0)
        logits = self.logits(student, VALIDATION).double()
        return float(divergence(logits, target, temperature=1.0).mean())

    def ensemble_accuracy(self, spec: EnsembleSpec) -> float:
        """The accuracy on the validation part of an ensemble's answer at temperature 1."""
        softened = self.softened(spec, VALIDATION, 1.0)
        return metrics.accuracy(softened.log(), self.targets(VALIDATION))
