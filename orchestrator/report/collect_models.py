"""Evaluates finished models, and the ensemble of the teachers, from their stored logits; measures
the latency of the models."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from orchestrator.execution.executor import StageResult
from orchestrator.execution.finished_network import finished_network
from orchestrator.home.store import Store
from orchestrator.planning.plan import Plan, class_maps
from orchestrator.results.run_report import (
    ModelReport,
    PartScores,
    Role,
    SoftTargets,
    ensemble_report,
)
from students.durable_files import write_atomically
from students.evaluation import metrics
from students.evaluation.prior_correction import prior_correction
from students.knowledge import Question
from students.models.profile import latency_ms
from students.objectives.softening import soften
from students.storage.outcome import read_answers
from students.torch_state import use_threads
from students.transfer_sets.transfer_set import TransferSet
from teachers.ensemble.ensemble import Ensemble
from teachers.weighting.constant import Uniform

Classes = tuple[int, ...] | None


def role_of(stage_name: str) -> Role:
    """The role of the model that a stage makes."""
    roles: dict[str, Role] = {"teachers": "teacher", "controls": "control"}
    return roles.get(stage_name.partition(".")[0], "student")


def model_name(stage_name: str) -> str:
    """The name of the model that a stage makes."""
    return stage_name.removeprefix("teachers.").removeprefix("controls.")


@dataclass(frozen=True)
class ModelFigures:
    """Evaluates the ``finished`` stages of one repeat, which are given by name.

    ``latency`` is in ms per sample, by stage's digest, then by batch size.
    """

    plan: Plan
    store: Store
    transfer_set: TransferSet
    finished: Mapping[str, StageResult]
    latency: Mapping[str, Mapping[str, float]]

    def models(self) -> dict[str, ModelReport]:
        """Every model by its stage's name, and ``ensemble`` where there are teachers."""
        models = {name: self._model(name, result) for name, result in self.finished.items()}
        if self._ensemble is not None:
            models["ensemble"] = ensemble_report(
                [model for model in models.values() if model.role == "teacher"],
                self._test_scores(self._ensemble["test"]),
                self._scores(self._ensemble["validation"], "validation"),
            )
        return models

    def soft_targets(self) -> SoftTargets | None:
        """The mean soft target per class, on the validation part where there is one: no student
        was trained on it."""
        if self._ensemble is None:
            return None
        part = "validation" if len(self.transfer_set.validation_ids) else "test"
        temperature = self.plan.recipe.ensemble.temperature
        soft = self._softened(part, temperature)
        mean = metrics.mean_soft_targets(soft, self._targets(part), self.transfer_set.classes)
        rows = tuple(tuple(row) for row in mean.nan_to_num(0.0).tolist())
        return SoftTargets(tuple(self.transfer_set.class_names), temperature, rows)

    def _model(self, name: str, result: StageResult) -> ModelReport:
        role, logits, outcome = role_of(name), self._logits[name], result.outcome
        teacher = self.plan.recipe.teachers[model_name(name)] if role == "teacher" else None
        own: Classes = None
        if teacher and teacher.classes and len(teacher.classes) < self.transfer_set.classes:
            own = tuple(sorted(teacher.classes))
        corrected = None
        correct = self.plan.recipe.evaluate.prior_correction == "uniform" and role != "teacher"
        if correct and len(logits["validation"]):
            shift = prior_correction(logits["validation"])
            corrected = self._test_scores(logits["test"] + shift)
        return ModelReport(
            name=model_name(name),
            role=role,
            test=self._test_scores(logits["test"], own),
            validation=self._scores(logits["validation"], "validation", own),
            parameters=outcome.parameters,
            macs=outcome.macs,
            bytes=outcome.bytes,
            latency_ms=dict(self.latency.get(result.stage.digest, {})),
            weights_sha256=outcome.weights_sha256,
            seen_training=bool(teacher and teacher.weights and teacher.seen == "train"),
            corrected=corrected,
            classes=own,
        )

    @cached_property
    def _logits(self) -> dict[str, dict[str, Tensor]]:
        """Logits [n, C] by stage's name and part."""
        return {
            name: read_answers(self.store.folder(result.stage.digest))
            for name, result in self.finished.items()
        }

    @cached_property
    def _ensemble(self) -> dict[str, Tensor] | None:
        """The ensemble's log-probabilities [n, C] by part, at temperature 1."""
        if not self.plan.recipe.teachers:
            return None
        return {part: self._softened(part, 1.0).log() for part in ("validation", "test")}

    def _softened(self, part: str, temperature: float) -> Tensor:
        """The ensemble's distributions [n, C] on one part."""
        recipe, names = self.plan.recipe, tuple(self.plan.recipe.teachers)
        logits = torch.stack([self._logits[f"teachers.{name}"][part] for name in names]).double()
        rule, maps = recipe.ensemble.weighting, class_maps(recipe, names)
        weighting = Uniform() if rule.training_only else rule
        ensemble = Ensemble(names, self.transfer_set.classes, weighting, class_maps=maps)
        whole = ensemble.combine(Question(0, self._ids(part)), logits)
        return soften(
            whole.logits,
            whole.shares,
            whole.known,
            whole.present,
            temperature=temperature,
            mean=recipe.ensemble.mean,
        )

    def _test_scores(self, logits: Tensor, own: Classes = None) -> PartScores:
        scores = self._scores(logits, "test", own)
        assert scores is not None, "the deep check saw that the test part has samples for it"
        return scores

    def _scores(self, logits: Tensor, part: str, own: Classes = None) -> PartScores | None:
        """A model's figures on one part, or on its samples of the classes ``own`` only."""
        targets = self._targets(part)
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

    def _targets(self, part: str) -> Tensor:
        return torch.from_numpy(self.transfer_set.targets[self._ids(part)])

    def _ids(self, part: str) -> npt.NDArray[np.int64]:
        data = self.transfer_set
        return data.test_ids if part == "test" else data.validation_ids


def latencies(
    plan: Plan, store: Store, results: Sequence[StageResult], transfer_set: TransferSet
) -> dict[str, Mapping[str, float]]:
    """Milliseconds per sample, by stage's digest, then by batch size ("1", "64"); stored ones where
    there are some."""
    measured: dict[str, Mapping[str, float]] = {}
    for result in results:
        file = store.folder(result.stage.digest) / "latency.json"
        if not file.exists():
            network = finished_network(plan, store, result.stage, transfer_set)
            with use_threads(1):  # The latency on one core compares models on any machine.
                figures = latency_ms(network, transfer_set.shape)
            write_atomically(file, json.dumps(figures).encode())
        measured[result.stage.digest] = json.loads(file.read_text())
    return measured
