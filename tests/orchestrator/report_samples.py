"""The report of a run for tests: figures of the digits demo."""

from __future__ import annotations

import math
from dataclasses import replace

from orchestrator.results.run_report import (
    FORMAT,
    LearningCurve,
    ModelReport,
    PartScores,
    RunReport,
    SoftTargets,
    StageReport,
    ensemble_report,
)
from orchestrator.results.teaching_report import (
    Prediction,
    StepSpeed,
    TeacherRun,
    TeachingReport,
    TermReport,
    WeightingReport,
)


def model(name, role, accuracy, parameters=1210, **more):
    return ModelReport(
        name=name,
        role=role,
        test=PartScores(accuracy, 0.3, 0.02, 0.9, tuple([accuracy] * 10)),
        validation=PartScores(accuracy - 0.01, 0.35, 0.03, 0.9),
        parameters=parameters,
        macs=parameters - 26,
        bytes=4 * parameters,
        latency_ms={"1": 0.0312, "64": 0.00071},
        weights_sha256="0" * 64,
        **more,
    )


def curve(name, top):
    epochs = tuple(range(1, 61))
    accuracy = tuple(top * (1 - math.exp(-epoch / 8)) for epoch in epochs)
    return LearningCurve(name, epochs, accuracy, tuple(2.3 * (1 - a) + 0.1 for a in accuracy))


def soft_targets(classes=10):
    rows = []
    for true in range(classes):
        row = [
            math.exp(-abs(true - other) - (other * 7 + true * 3) % 5) for other in range(classes)
        ]
        row[true] = 9 * sum(row)
        rows.append(tuple(value / sum(row) for value in row))
    return SoftTargets(tuple(str(index) for index in range(classes)), 4.0, tuple(rows))


def teaching(**more):
    run = TeacherRun(
        inference="bf16, channels-last, 128 at a time, 1 thread",
        plain_rate=900.0,
        chosen_rate=2340.0,
        kl=6e-5,
        same_argmax=0.998,
        verdict="passed",
        read=1000,
        asked=500,
        computed=250,
    )
    fields = {
        "teachers": {
            "wide": run,
            "cnn": replace(run, inference=None, chosen_rate=None),
            "deep": run,
        },
        "student": StepSpeed(1500.0, 0.04),
        "untaught": StepSpeed(1600.0, 0.0),
        "bytes": 30_000_000,
        "prediction": Prediction(60.0, 1550.0, {"student": 8.0, "teachers.wide": 3.0}, 29_000_000),
    }
    return TeachingReport(**{**fields, **more})


def teacher_weights(epochs=20, classes=10, **more):
    """Three teachers; the weight of one rises over the epochs and differs by class."""
    rising = tuple(0.34 + 0.3 * epoch / epochs for epoch in range(epochs))
    fields = {
        "rule": "min_entropy",
        "epochs": tuple(range(1, epochs + 1)),
        "weights": {
            "wide": tuple((1 - share) * 0.4 for share in rising),
            "cnn": tuple((1 - share) * 0.6 for share in rising),
            "deep": rising,
        },
        "target_changed": tuple(0.5 - 0.01 * epoch for epoch in range(epochs)),
        "class_changed": tuple(0.05 - 0.001 * epoch for epoch in range(epochs)),
        "by_class": {
            "wide": tuple(0.05 + 0.02 * (number % 4) for number in range(classes)),
            "cnn": tuple(0.1 + 0.02 * number for number in range(classes)),
            "deep": tuple(0.85 - 0.02 * number - 0.02 * (number % 4) for number in range(classes)),
        },
        "classes": tuple(str(number) for number in range(classes)),
    }
    return WeightingReport(**{**fields, **more})


def terms(epochs=20):
    """Labels for half of the epochs; soft targets that grow; a hint."""
    rows = [epoch / epochs for epoch in range(epochs)]
    silent = tuple(None for _ in rows[epochs // 2 :])
    return {
        "task": TermReport(
            kind="task",
            weights=tuple(0.1 if share < 0.5 else 0.0 for share in rows),
            values=(*(2.3 * math.exp(-3 * share) for share in rows[: epochs // 2]), *silent),
            gradients=(*(0.02 * math.exp(-share) for share in rows[: epochs // 2]), *silent),
        ),
        "soft_targets": TermReport(
            kind="soft_targets",
            weights=tuple(0.9 * share for share in rows),
            values=tuple(4.0 * math.exp(-4 * share) + 0.2 for share in rows),
            gradients=tuple(0.3 * share * math.exp(-2 * share) for share in rows),
        ),
        "deep_hint": TermReport(
            kind="hint",
            weights=tuple(1.0 for _ in rows),
            values=tuple(0.9 * math.exp(-share) for share in rows),
            gradients=tuple(0.01 * math.exp(-share) for share in rows),
        ),
    }


def report(student=0.9289, untaught=0.8889, **more):
    teachers = {
        "wide": model("wide", "teacher", 0.9733, 85002, seen_training=True),
        "cnn": model("cnn", "teacher", 0.9867, 21_210, seen_training=True),
        "deep": model("deep", "teacher", 0.9911, 78_042, seen_training=True),
    }
    ensemble = ensemble_report(
        "ensemble",
        list(teachers.values()),
        PartScores(0.9922, 0.05, 0.01),
        PartScores(0.9926, 0.05, 0.01),
    )
    fields = {
        "name": "digits",
        "recipe_digest": "89abcdef" * 8,
        "outcome": "done",
        "seconds": 51.25,
        "student": model("student", "student", student),
        "untaught": model("untaught", "control", untaught),
        "teachers": teachers,
        "ensemble": ensemble,
        "controls": {"label_smoothing": model("label_smoothing", "control", 0.9022)},
        "stages": (
            StageReport("teachers.wide", "1" * 64, False, 0.0),
            StageReport("student", "2" * 64, True, 9.5, ("teachers.wide",)),
        ),
        "curves": (curve("student", 0.93), curve("untaught", 0.89), curve("label_smoothing", 0.9)),
        "soft_targets": soft_targets(),
        "format": FORMAT,
    }
    return RunReport(**{**fields, **more})
