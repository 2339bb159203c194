"""A study's report: its trials, its front, its winners on fresh seeds.

HOME/studies/STUDY/study.json     the report, as ``search --json`` prints it, with its checksum
HOME/studies/STUDY/best-N.yaml    the recipe of trial N, one of the winners; best.yaml is the first
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from orchestrator.results.run_report import ModelReport, PartScores
from search.config import constraints
from students.json_records import read_json, write_json

STUDY = "study.json"

COMPLETE, PRUNED, FAIL = "COMPLETE", "PRUNED", "FAIL"
"""States of a trial: trained to its end, ended before, failed."""

Outcome = Literal["done", "failed", "interrupted"]


def recipe_file(number: int) -> str:
    """The name of the file with the recipe of a winner, by its trial's number."""
    return f"best-{number}.yaml"


@dataclass(frozen=True)
class TrialReport:
    """One trial. ``params`` are what was drawn, with labels; ``overrides`` the values of the recipe
    that follow. ``scores`` are of the validation part (the means, if the trial has several
    seeds), or of the architecture."""

    number: int
    state: str
    params: Mapping[str, Any]
    overrides: Mapping[str, Any]
    scores: Mapping[str, float]
    seconds: float
    reason: str | None = None


@dataclass(frozen=True)
class SeedScores:
    """A score over fresh seeds: mean, sample standard deviation (none for one seed), and its
    ``values`` in the order of the seeds."""

    mean: float
    sd: float | None
    values: tuple[float, ...]


@dataclass(frozen=True)
class Winner:
    """A trial of the front, trained again on fresh seeds.

    ``scores`` are the trial's, ``test`` is its student's, that of its first seed, on the test part;
    ``repeats`` and ``test_repeats`` are accuracy and nll over the fresh seeds, on the validation
    and on the test part. ``recipe`` is the path of a recipe that trains the student of
    ``weights_sha256``.
    """

    trial: int
    overrides: Mapping[str, Any]
    scores: Mapping[str, float]
    repeats: Mapping[str, SeedScores]
    test: PartScores
    test_repeats: Mapping[str, SeedScores]
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
    """A study. ``name`` is the recipe's, ``study`` the name in its storage; ``scores``, ``limits``,
    ``asked``, a number of trials, and the ``seeds`` of each are what was asked; ``front`` are
    numbers of trials; ``winners`` come with the best by the first score first; ``references`` are
    models that these are compared with: teachers, the ensemble, and the untaught student of the
    recipe's own values; ``remarks`` are sentences."""

    name: str
    study: str
    outcome: Outcome
    seconds: float
    scores: Mapping[str, str]
    asked: int
    seeds: int = 1
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

    def tracked_scores(self) -> dict[str, float]:
        """The figures that a tracker records of the study: what was shared; and, under ``best``,
        those of the first winner, whose recipe is ``best.yaml`` too."""
        scores = {f"shared/{name}": float(count) for name, count in vars(self.shared).items()}
        for winner in self.winners[:1]:
            scores |= {f"best/{name}": value for name, value in winner.scores.items()}
            parts = {"validation": winner.repeats, "test": winner.test_repeats}
            scores |= {
                f"best/fresh_seeds/{part}/{name}": each.mean
                for part, of in parts.items()
                for name, each in of.items()
            }
            scores["best/test/accuracy"] = winner.test.accuracy
        return scores

    @property
    def best_first(self) -> list[TrialReport]:
        """The complete trials that keep all limits, the best by the first score first."""
        name, direction = next(iter(self.scores.items()))
        complete = [trial for trial in self.trials if trial.state == COMPLETE and self.keeps(trial)]
        return sorted(complete, key=lambda t: t.scores[name], reverse=direction == "maximize")

    def keeps(self, trial: TrialReport) -> bool:
        """Whether a trial keeps all limits."""
        return all(excess <= 0 for excess in constraints(self.limits, trial.scores).values())


_REPORT = TypeAdapter(StudyReport)


def write_study(folder: Path, report: StudyReport) -> None:
    """Stores a report in the study's ``folder``."""
    write_json(folder / STUDY, report.to_json())


def read_study(folder: Path) -> StudyReport:
    """The report that is stored in a study's ``folder``, with the paths that its files have now.

    Raises:
        OSError: there is none.
        ValueError: it is damaged, or of another version.
    """
    stored = read_json(folder / STUDY)
    for winner in stored["winners"]:
        winner["recipe"] = str(folder / Path(winner["recipe"]).name)
    stored["artifacts"] = {name: str(folder / name) for name in stored["artifacts"]}
    return _REPORT.validate_python(stored)
