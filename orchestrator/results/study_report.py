"""A study's report: its trials, its front, its winners on fresh seeds.

HOME/studies/STUDY/study.json     the report, as ``search --json`` prints it
HOME/studies/STUDY/stages.json    the digests of the stages that the study keeps
HOME/studies/STUDY/best-N.yaml    the recipe of trial N, one of the winners; best.yaml is the first
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from orchestrator.results.finished_run import Spread
from orchestrator.results.run_report import ModelReport
from students.durable_files import write_atomically

STUDY = "study.json"
STAGES = "stages.json"

Outcome = Literal["done", "failed", "interrupted"]


@dataclass(frozen=True)
class TrialReport:
    """One trial. ``params`` are what was drawn, with labels; ``overrides`` the values of the recipe
    that follow. ``scores`` are of the validation part, or of the architecture."""

    number: int
    state: str
    params: Mapping[str, Any]
    overrides: Mapping[str, Any]
    scores: Mapping[str, float]
    seconds: float
    reason: str | None = None


@dataclass(frozen=True)
class TestFigures:
    """A winner on the test part: over its fresh seeds, ``accuracy`` and ``nll``; and ``own``, the
    accuracy of the student with the trial's own seed."""

    accuracy: Spread
    nll: Spread
    own: float


@dataclass(frozen=True)
class Winner:
    """A trial of the front, trained again on fresh seeds: ``repeats`` are its scores over these;
    ``recipe`` is the path of a recipe that trains the student of ``weights_sha256``."""

    trial: int
    overrides: Mapping[str, Any]
    scores: Mapping[str, float]
    repeats: Mapping[str, Spread]
    test: TestFigures | None
    weights_sha256: str
    recipe: str


@dataclass(frozen=True)
class Shared:
    """What the trials have had in common: teachers' answers that were computed and read, counted by
    sample, and stages that were stored already."""

    teacher_forwards_computed: int = 0
    teacher_forwards_read: int = 0
    stages_reused: int = 0


@dataclass(frozen=True)
class StudyReport:
    """A study. ``name`` is the recipe's, ``study`` the name in its storage; ``scores`` and
    ``limits`` are what was asked; ``front`` are numbers of trials; ``references`` are models that
    its students are compared with: teachers, the ensemble, the recipe's own untaught student."""

    name: str
    study: str
    outcome: Outcome
    seconds: float
    scores: Mapping[str, str]
    limits: Mapping[str, float] = field(default_factory=dict)
    trials: tuple[TrialReport, ...] = ()
    front: tuple[int, ...] = ()
    winners: tuple[Winner, ...] = ()
    shared: Shared = Shared()
    references: Mapping[str, ModelReport] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    artifacts: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints."""
        return dict(_REPORT.dump_python(self, mode="json"))

    def trial(self, number: int) -> TrialReport:
        """The trial of that number."""
        return next(trial for trial in self.trials if trial.number == number)


_REPORT = TypeAdapter(StudyReport)


def write_study(folder: Path, report: StudyReport) -> None:
    """Stores a report in the study's ``folder``."""
    text = json.dumps(report.to_json(), indent=1) + "\n"
    write_atomically(folder / STUDY, text.encode())


def read_study(folder: Path) -> StudyReport:
    """The report that is stored in a study's ``folder``, with the paths that its files have now.

    Raises:
        OSError: there is none.
        ValueError: it is damaged, or of another version.
    """
    stored = json.loads((folder / STUDY).read_bytes())
    for winner in stored["winners"]:
        winner["recipe"] = str(folder / Path(winner["recipe"]).name)
    stored["artifacts"] = {name: str(folder / name) for name in stored["artifacts"]}
    return _REPORT.validate_json(json.dumps(stored))
