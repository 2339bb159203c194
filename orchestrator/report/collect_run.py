"""From finished stages to a run's report: figures of every model on the held-out parts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from orchestrator.execution.executor import StageResult
from orchestrator.home.store import Store
from orchestrator.planning.plan import Plan, class_maps
from orchestrator.recipe.advice import notes
from orchestrator.report.collect_teaching import TeachingFigures
from orchestrator.report.collect_terms import LessonFigures
from orchestrator.results.run_report import (
    DarkKnowledge,
    LearningCurve,
    ModelReport,
    PartScores,
    Role,
    RunReport,
    StageReport,
    ensemble_report,
)
from students.evaluation.metrics import (
    mean_soft_targets,
    part_figures,
    per_class_accuracy,
    prior_correction,
)
from students.knowledge import Question
from students.objectives.softening import soften
from students.storage.outcome import Outcome, read_answers
from students.transfer_sets.transfer_set import TransferSet
from teachers.ensemble.ensemble import Ensemble
from teachers.weighting.held_out import judged_by

Answers = Mapping[str, Tensor]
Classes = tuple[int, ...] | None


@dataclass(frozen=True)
class Reporting:
    """Reports on finished stages of one plan. ``latency`` is in ms per sample, by stage's
    digest, then by batch size."""

    plan: Plan
    store: Store
    transfer_set: TransferSet
    latency: Mapping[str, Mapping[str, float]]

    def report(
        self, results: Sequence[StageResult], *, seconds: float, repeat: int = 0
    ) -> RunReport:
        """The report on one repeat of the student, beside the teachers."""
        mine = {
            result.stage.name: result
            for result in results
            if result.stage.repeat == repeat or _role(result.stage.name) == "teacher"
        }
        models, dark_knowledge = self._models(mine)
        classes = tuple(self.transfer_set.class_names)
        lesson = LessonFigures(self.plan, self.store, mine["student"], classes)
        teachers = {m.name: m for m in models.values() if m.role == "teacher"}
        controls = {m.name: m for m in models.values() if m.role == "control"}
        return RunReport(
            name=self.plan.recipe.name,
            recipe_digest=self.plan.digest,
            outcome="done",
            seconds=seconds,
            student=models["student"],
            untaught=controls.pop("untaught", None),
            teachers=teachers,
            ensemble=models.get("ensemble"),
            controls=controls,
            stages=tuple(
                StageReport(r.stage.title, r.stage.digest, r.ran, r.seconds) for r in results
            ),
            curves=tuple(
                _curve(_short(name), result.outcome)
                for name, result in mine.items()
                if _role(name) != "teacher"
            ),
            dark_knowledge=dark_knowledge,
            omitted=tuple(sorted(self.plan.recipe.transfer_set.omit)),
            teaching=TeachingFigures(
                self.plan, self.store, self.transfer_set, mine, results
            ).report(),
            listening=lesson.listening(),
            terms=lesson.terms(),
            remarks=notes(self.plan.recipe),
        )

    def _models(
        self, mine: Mapping[str, StageResult]
    ) -> tuple[dict[str, ModelReport], DarkKnowledge | None]:
        """Every model by its stage's name, ``ensemble`` among them where there are teachers."""
        answers = {
            name: read_answers(self.store.folder(result.stage.digest))
            for name, result in mine.items()
        }
        ensemble = self._ensemble_answers(answers)
        models = {
            name: self._model(name, result.outcome, result.stage.digest, answers[name], ensemble)
            for name, result in mine.items()
        }
        if ensemble is None:
            return models, None
        teachers = [model for model in models.values() if model.role == "teacher"]
        whole = ensemble_report(
            teachers,
            self._required(ensemble, "test", ensemble),
            self._scores(ensemble["validation"], "validation", ensemble),
        )
        return models | {"ensemble": whole}, self._dark_knowledge(answers)

    def _model(
        self,
        name: str,
        outcome: Outcome,
        digest: str,
        answers: Answers,
        ensemble: Answers | None,
    ) -> ModelReport:
        role, own = _role(name), self._known_to(name)
        correct = self.plan.recipe.evaluate.prior_correction == "uniform" and role != "teacher"
        corrected = None
        if correct and len(answers["validation"]):
            shifted = answers["test"] + prior_correction(answers["validation"])
            corrected = self._scores(shifted, "test", ensemble)
        return ModelReport(
            name=_short(name),
            role=role,
            test=self._required(answers, "test", ensemble, own),
            validation=self._scores(answers["validation"], "validation", ensemble, own),
            parameters=outcome.parameters,
            macs=outcome.macs,
            bytes=outcome.bytes,
            latency_ms=dict(self.latency.get(digest, {})),
            weights_sha256=outcome.weights_sha256,
            seen_training=self._has_seen(name),
            corrected=corrected,
            classes=own,
        )

    def _required(
        self, answers: Answers, part: str, ensemble: Answers | None, own: Classes = None
    ) -> PartScores:
        scores = self._scores(answers[part], part, ensemble, own)
        assert scores is not None, "the deep check saw that the test part has samples for it"
        return scores

    def _scores(
        self, scores: Tensor, part: str, ensemble: Answers | None, own: Classes = None
    ) -> PartScores | None:
        """A model's figures on one part, or on its samples of the classes ``own`` alone."""
        targets = self._targets(part)
        if own is not None:
            rows = torch.isin(targets, torch.tensor(own))
            scores, targets = scores[rows], targets[rows]
            ensemble = None if ensemble is None else {part: ensemble[part][rows]}
        if not len(scores):
            return None
        figures = part_figures(scores, targets, None if ensemble is None else ensemble[part])
        per_class = per_class_accuracy(scores, targets).tolist()
        return PartScores(
            accuracy=figures.accuracy,
            nll=figures.nll,
            ece=figures.ece,
            agreement=figures.agreement,
            per_class=tuple(None if math.isnan(share) else share for share in per_class),
        )

    def _targets(self, part: str) -> Tensor:
        return torch.from_numpy(self.transfer_set.targets[self._ids(part)])

    def _ids(self, part: str) -> npt.NDArray[np.int64]:
        data = self.transfer_set
        return data.test_ids() if part == "test" else data.validation_ids()

    def _known_to(self, name: str) -> Classes:
        """The classes that the model of stage ``name`` knows, if it does not know all."""
        maps = class_maps(self.plan.recipe, self.plan.recipe.teachers)
        own = maps.get(_short(name)) if _role(name) == "teacher" else None
        return None if own is None or len(own) == self.transfer_set.classes else tuple(sorted(own))

    def _has_seen(self, name: str) -> bool:
        config = self.plan.recipe.teachers.get(name.removeprefix("teachers."))
        return config is not None and config.weights is not None and config.seen == "train"

    def _softened(self, answers: Mapping[str, Answers], part: str, temperature: float) -> Tensor:
        """The ensemble's distributions [n, C] on one part."""
        recipe = self.plan.recipe
        names = tuple(recipe.teachers)
        logits = torch.stack([answers[f"teachers.{name}"][part] for name in names]).double()
        weighting = judged_by(recipe.ensemble.weighting)
        maps = class_maps(recipe, names)
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

    def _ensemble_answers(self, answers: Mapping[str, Answers]) -> dict[str, Tensor] | None:
        if not self.plan.recipe.teachers:
            return None
        return {part: self._softened(answers, part, 1.0).log() for part in ("validation", "test")}

    def _dark_knowledge(self, answers: Mapping[str, Answers]) -> DarkKnowledge:
        """On the validation part where there is one: it is no student's training sample."""
        part = "validation" if len(self.transfer_set.validation_ids()) else "test"
        temperature = self.plan.recipe.ensemble.temperature
        soft = self._softened(answers, part, temperature)
        mean = mean_soft_targets(soft, self._targets(part), self.transfer_set.classes)
        rows = tuple(tuple(row) for row in mean.nan_to_num(0.0).tolist())
        return DarkKnowledge(tuple(self.transfer_set.class_names), temperature, rows)


def _role(name: str) -> Role:
    kind = name.partition(".")[0]
    return "teacher" if kind == "teachers" else "control" if kind == "controls" else "student"


def _short(name: str) -> str:
    return name.removeprefix("teachers.").removeprefix("controls.")


def _curve(name: str, outcome: Outcome) -> LearningCurve:
    points = [
        (point.epoch + 1, point.accuracy, point.nll)
        for point in outcome.curve
        if point.accuracy is not None and point.nll is not None
    ]
    return LearningCurve(
        name,
        tuple(epoch for epoch, _, _ in points),
        tuple(accuracy for _, accuracy, _ in points),
        tuple(nll for _, _, nll in points),
    )
