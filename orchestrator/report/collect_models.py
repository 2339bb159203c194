"""Evaluates finished models, and the ensemble of the teachers, from their stored logits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from orchestrator.execution.stage_works import StageResult
from orchestrator.execution.stored_predictions import StoredPredictions
from orchestrator.formatting import writable
from orchestrator.home.store import Store
from orchestrator.planning.graph import EnsembleSpec, Graph
from orchestrator.planning.stage import ModelRef, Stage, StageRole, TeacherRef
from orchestrator.results.run_report import (
    ModelReport,
    PartScores,
    SoftTargets,
    ensemble_report,
)
from students.evaluation import metrics
from students.evaluation.prior_correction import prior_correction
from students.specs import MODEL, StageOutput
from students.storage.outcome import TEST, VALIDATION, Outcome
from students.transfer_sets.transfer_set import TransferSet

Classes = tuple[int, ...] | None
Latency = Mapping[StageOutput, Mapping[str, float]]
"""Milliseconds per sample, by model, then by batch size, "1" and "64"."""


@dataclass(frozen=True)
class FinishedModel:
    """A model of a finished stage, under the ``name`` that a report has for it."""

    name: str
    stage: Stage
    output: StageOutput
    ref: ModelRef
    outcome: Outcome


def finished_models(results: Iterable[StageResult]) -> Iterator[FinishedModel]:
    """The models that stages have left."""
    for result in results:
        stage = result.stage
        short = stage.name.removeprefix("teachers.").removeprefix("controls.")
        for name, ref in stage.models.items():
            title = short if name == MODEL else name
            output = StageOutput(stage.digest, name)
            yield FinishedModel(title, stage, output, ref, result.outcomes[name])


@dataclass(frozen=True)
class ModelFigures:
    """Evaluates ``finished`` models of a ``graph``, and the ensembles of its teachers."""

    graph: Graph
    store: Store
    transfer_set: TransferSet
    finished: tuple[FinishedModel, ...]
    latency: Latency = field(default_factory=dict)

    @property
    def ensemble(self) -> EnsembleSpec | None:
        """The teachers' ensemble, if there is one."""
        return self.graph.ensembles.get("ensemble")

    def models(self) -> dict[StageRole, dict[str, ModelReport]]:
        """Every model by its role and its name."""
        models: dict[StageRole, dict[str, ModelReport]] = {role: {} for role in StageRole}
        for model in self.finished:
            models[model.stage.role][model.name] = self.report(model)
        return models

    def ensemble_report(
        self, name: str, spec: EnsembleSpec | None, models: Iterable[ModelReport]
    ) -> ModelReport | None:
        """The ensemble ``spec`` of ``models``; none where there is none."""
        if spec is None:
            return None
        validation, test = (
            self._predictions.softened(spec, part, 1.0).log() for part in (VALIDATION, TEST)
        )
        return ensemble_report(
            name, list(models), self._test_scores(test), self._scores(validation, VALIDATION)
        )

    def soft_targets(self) -> SoftTargets | None:
        """The mean soft target per class, on the validation part where there is one: no student
        was trained on it."""
        if self.ensemble is None:
            return None
        part = VALIDATION if len(self.transfer_set.validation_ids) else TEST
        temperature = self.ensemble.ensemble.temperature
        soft = self._predictions.softened(self.ensemble, part, temperature)
        mean = metrics.mean_soft_targets(
            soft, self._predictions.targets(part), self.transfer_set.classes
        )
        names = tuple(map(writable, self.transfer_set.class_names))
        rows = tuple(tuple(row) for row in mean.nan_to_num(0.0).tolist())
        return SoftTargets(names, temperature, rows)

    def report(self, model: FinishedModel) -> ModelReport:
        """What is known of one model."""
        outcome, ref, own, corrected = model.outcome, model.ref, None, None
        if ref.classes is not None and len(ref.classes) < self.transfer_set.classes:
            own = tuple(sorted(ref.classes))
        validation, test = (
            self._predictions.logits(model.output, VALIDATION),
            self._predictions.logits(model.output, TEST),
        )
        correct = self.graph.evaluate.prior_correction == "uniform"
        if correct and model.stage.role is not StageRole.TEACHER and len(validation):
            corrected = self._test_scores(test + prior_correction(validation))
        return ModelReport(
            name=model.name,
            role=model.stage.role.value,
            test=self._test_scores(test, own),
            validation=self._scores(validation, VALIDATION, own),
            parameters=outcome.parameters,
            macs=outcome.macs,
            bytes=outcome.bytes,
            latency_ms=dict(self.latency.get(model.output, {})),
            weights_sha256=outcome.weights_sha256,
            seen_training=isinstance(ref, TeacherRef) and ref.seen_training,
            corrected=corrected,
            classes=own,
        )

    @cached_property
    def _predictions(self) -> StoredPredictions:
        return StoredPredictions(self.store, self.transfer_set)

    @cached_property
    def _ensemble(self) -> dict[str, Tensor] | None:
        """The ensemble's log-probabilities [n, C] by part, at temperature 1."""
        if self.ensemble is None:
            return None
        return {
            part: self._predictions.softened(self.ensemble, part, 1.0).log()
            for part in (VALIDATION, TEST)
        }

    def _test_scores(self, logits: Tensor, own: Classes = None) -> PartScores:
        scores = self._scores(logits, TEST, own)
        assert scores is not None, "the deep check saw that the test part has samples for it"
        return scores

    def _scores(self, logits: Tensor, part: str, own: Classes = None) -> PartScores | None:
        """A model's figures on one part, or on its samples of the classes ``own`` only."""
        targets = self._predictions.targets(part)
        ensemble = None if self._ensemble is None else self._ensemble[part]
        if own is not None:
            rows = torch.isin(targets, torch.tensor(own))
            logits, targets = logits[rows], targets[rows]
            ensemble = None if ensemble is None else ensemble[rows]
        if not len(logits):
            return None
        per_class = metrics.per_class_accuracy(logits, targets).tolist()
        return PartScores(
            accuracy=metrics.accuracy(logits, targets),
            nll=metrics.negative_log_likelihood(logits, targets),
            ece=metrics.calibration_error(logits, targets),
            agreement=None if ensemble is None else metrics.agreement(logits, ensemble),
            per_class=tuple(None if math.isnan(share) else share for share in per_class),
        )
