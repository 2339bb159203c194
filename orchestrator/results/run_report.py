"""What a run found out, as values that go to JSON and come back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import TypeAdapter

from orchestrator.results.teaching_report import TeachingReport
from orchestrator.results.term_report import TermReport
from orchestrator.results.weighting_report import WeightingReport
from students.storage.step_log import Row

Role = Literal["student", "teacher", "ensemble", "control"]
Outcome = Literal["done", "degraded", "failed", "interrupted"]


@dataclass(frozen=True)
class PartScores:
    """A model on one part: shares from 0 to 1, ``nll`` in nats.

    ``ece`` is the expected calibration error; ``agreement`` the share of samples on which model
    and ensemble name the same class, none where there is no ensemble; ``per_class`` the accuracy
    on each class's samples.
    """

    accuracy: float
    nll: float
    ece: float
    agreement: float | None = None
    per_class: tuple[float | None, ...] | None = None


@dataclass(frozen=True)
class ModelReport:
    """One model, or the ensemble.

    ``corrected`` holds the test part's scores after prior correction. ``macs`` are for one sample,
    ``latency_ms`` are milliseconds per sample by batch size, "1" and "64". ``seen_training``:
    its weights have seen the training samples, of which the validation part is taken. ``classes``
    are the indices of those that a teacher knows, where these are not all: its figures are on
    samples of these alone.
    """

    name: str
    role: Role
    test: PartScores
    validation: PartScores | None
    parameters: int
    macs: int
    bytes: int
    latency_ms: Mapping[str, float]
    weights_sha256: str | None = None
    seen_training: bool = False
    corrected: PartScores | None = None
    classes: tuple[int, ...] | None = None


@dataclass(frozen=True)
class StageReport:
    """One stage: whether it ran now or was stored, and its seconds in this run."""

    name: str
    digest: str
    ran: bool
    seconds: float


@dataclass(frozen=True)
class LearningCurve:
    """Validation after each epoch: shares from 0 to 1, and nats."""

    name: str
    epochs: tuple[int, ...]
    accuracy: tuple[float, ...]
    nll: tuple[float, ...]


@dataclass(frozen=True)
class DarkKnowledge:
    """The ensemble's mean softened answer by true class: ``mean`` [C, C], rows sum to one."""

    classes: tuple[str, ...]
    temperature: float
    mean: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class RunReport:
    """A run. ``controls`` are those beside ``untaught``; ``omitted`` are the indices of the classes
    that the student was never shown; ``artifacts`` are paths by name. ``terms`` are those of the
    student's objective; ``listening`` is none where teachers count as the recipe says;
    ``remarks`` are sentences on the recipe. Reports of versions that did not know of
    ``teaching`` and what follows do without."""

    name: str
    recipe_digest: str
    outcome: Outcome
    seconds: float
    student: ModelReport | None
    untaught: ModelReport | None = None
    students: Mapping[str, ModelReport] = field(default_factory=dict)
    teachers: Mapping[str, ModelReport] = field(default_factory=dict)
    ensemble: ModelReport | None = None
    controls: Mapping[str, ModelReport] = field(default_factory=dict)
    stages: tuple[StageReport, ...] = ()
    artifacts: Mapping[str, str] = field(default_factory=dict)
    curves: tuple[LearningCurve, ...] = ()
    dark_knowledge: DarkKnowledge | None = None
    omitted: tuple[int, ...] = ()
    teaching: TeachingReport | None = None
    listening: WeightingReport | None = None
    terms: Mapping[str, TermReport] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """How the run is called: name, ``@`` and the beginning of its digest."""
        return f"{self.name}@{self.recipe_digest[:12]}"

    def models(self) -> tuple[ModelReport, ...]:
        """All models as tables show them: teachers, ensemble, students, controls."""
        single = (self.ensemble, self.student)
        return (
            *self.teachers.values(),
            *(model for model in single if model is not None),
            *self.students.values(),
            *([self.untaught] if self.untaught is not None else []),
            *self.controls.values(),
        )

    def scores(self) -> dict[str, float]:
        """The figures that a tracker keeps, by ``MODEL/part/figure``."""
        scores = {
            f"{model.name}/{part}/{figure}": value
            for model in self.models()
            for part, scores in (
                ("test", model.test),
                ("validation", model.validation),
                ("corrected", model.corrected),
            )
            if scores is not None
            for figure in ("accuracy", "nll", "ece", "agreement")
            if (value := getattr(scores, figure)) is not None
        }
        for beside in (self.teaching, self.listening):
            scores |= beside.scores() if beside is not None else {}
        return scores

    def to_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints: plain mappings, lists, numbers and texts."""
        plain: dict[str, Any] = _REPORT.dump_python(self, mode="json")
        if self.teaching is not None:
            plain["teaching"]["of_untaught"] = self.teaching.of_untaught
            for name, run in self.teaching.teachers.items():
                plain["teaching"]["teachers"][name]["gain"] = run.gain
        return plain

    @classmethod
    def from_json(cls, text: str | bytes) -> RunReport:
        """Reads the text of what ``to_json`` gave.

        Raises:
            ValueError: it is not a report.
        """
        return _REPORT.validate_json(text)


_REPORT = TypeAdapter(RunReport)


def ensemble_report(
    teachers: Iterable[ModelReport], test: PartScores, validation: PartScores | None
) -> ModelReport:
    """The ensemble: it has no weights of its own, and costs what its teachers cost together."""
    members = list(teachers)
    return ModelReport(
        name="ensemble",
        role="ensemble",
        test=test,
        validation=validation,
        parameters=sum(each.parameters for each in members),
        macs=sum(each.macs for each in members),
        bytes=sum(each.bytes for each in members),
        latency_ms={
            batch: sum(each.latency_ms[batch] for each in members)
            for batch in (members[0].latency_ms if members else ())
            if all(batch in each.latency_ms for each in members)
        },
        seen_training=any(each.seen_training for each in members),
    )


def learning_curve(name: str, rows: Iterable[Row]) -> LearningCurve:
    """The curve of one stage from its committed spool; epochs are counted from one."""
    points = [
        (row.epoch + 1, row.values["accuracy"], row.values["nll"])
        for row in rows
        if row.kind == "epoch" and {"accuracy", "nll"} <= row.values.keys()
    ]
    epochs, accuracy, nll = zip(*points, strict=True) if points else ((), (), ())
    return LearningCurve(name, tuple(epochs), tuple(accuracy), tuple(nll))
