"""The report of a study for tests: accuracy against parameters, or accuracy alone."""

from __future__ import annotations

from typing import Any

from orchestrator.results.run_report import PartScores
from orchestrator.results.study_report import (
    SeedScores,
    Shared,
    StudyReport,
    TrialReport,
    Winner,
)
from tests.orchestrator.report_samples import model

BOTH = {"accuracy": "maximize", "parameters": "minimize"}
WIDTH, WEIGHT = "student.model.width", "student.objective.soft_targets.weight"


def trial(number: int, accuracy: float, parameters: int, **more: Any) -> TrialReport:
    params = {WIDTH: parameters // 75, WEIGHT: 0.875}
    fields = {"state": "COMPLETE", "seconds": 2.5, "reason": None} | more
    scores = {"accuracy": accuracy, "nll": 1 - accuracy, "parameters": float(parameters)}
    return TrialReport(number, params=params, overrides=params, scores=scores, **fields)


def seeds(*values: float) -> SeedScores:
    mean = sum(values) / len(values)
    sd = (sum((v - mean) ** 2 for v in values) / (len(values) - 1)) ** 0.5
    return SeedScores(mean, sd, values)


def winner(of: TrialReport, *accuracies: float) -> Winner:
    losses = [1 - accuracy for accuracy in accuracies]
    repeats = {"accuracy": seeds(*accuracies), "nll": seeds(*losses)} if accuracies else {}
    return Winner(
        trial=of.number,
        overrides=of.overrides,
        scores=of.scores,
        repeats=repeats,
        test=PartScores(of.scores["accuracy"] - 0.02, 0.3, 0.02),
        test_repeats=repeats,
        weights_sha256="0" * 64,
        recipe=f"x/best-{of.number}.yaml",
    )


TRIALS = (
    trial(0, 0.90, 1200),
    trial(1, 0.40, 9000, state="PRUNED", reason="dominated after epoch 2"),
    trial(2, 0.95, 3000),
    trial(3, 0.0, 500, state="FAIL", reason="the loss is not finite"),
    trial(4, 0.80, 2000),
)


def study(**more: Any) -> StudyReport:
    fields = {
        "name": "digits",
        "study": "digits-2",
        "outcome": "done",
        "seconds": 61.0,
        "scores": BOTH,
        "asked": 5,
        "trials": TRIALS,
        "front": (0, 2),
        "winners": (winner(TRIALS[0], 0.88, 0.90, 0.86), winner(TRIALS[2], 0.93, 0.95, 0.91)),
        "shared": Shared(120, 4000, 9),
        "references": {
            "wide": model("wide", "teacher", 0.97, 85002),
            "ensemble": model("ensemble", "ensemble", 0.98, 170000),
            "untaught": model("untaught", "control", 0.85),
        },
        "artifacts": {"study.md": "x/study.md"},
    } | more
    return StudyReport(**fields)


def study_of_accuracy(**more: Any) -> StudyReport:
    scores = {"accuracy": "maximize"}
    return study(scores=scores, front=(2,), winners=(winner(TRIALS[2], 0.93, 0.95, 0.91),), **more)
