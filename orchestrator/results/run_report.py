"""One run's report: its models, stages, learning curves and how its student was taught."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import TypeAdapter

from orchestrator.results.teaching_report import TeachingReport, TermReport, WeightingReport

Role = Literal[
    "student", "teacher", "ensemble", "control", "first_stage", "assistant", "candidate",
    "generation", "route",
]  # fmt: skip
Outcome = Literal["done", "degraded", "failed", "interrupted"]

FORMAT = 2
"""The version of a report's JSON, raised when a field changes its name or its meaning."""


@dataclass(frozen=True)
class PartScores:
    """A model on one part: shares from 0 to 1, ``nll`` in nats.

    ``ece`` is the expected calibration error; ``agreement`` the share of samples on which model
    and ensemble predict the same class, none where there is no ensemble; ``per_class`` the
    accuracy on each class's samples.
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
    are the indices of those that a teacher covers, where these are not all: its figures are on
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
    """One stage, or a choice: whether it ran (was decided) now or was stored, its seconds in this
    run, and the stages that it ``needs``, by name."""

    name: str
    digest: str
    ran: bool
    seconds: float
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChoiceReport:
    """The choice of an assistant among ``candidates``, by their numbers.

    ``accuracy`` is theirs on the validation part, ``target`` the mean of the ``ensemble``'s and the
    ``untaught`` student's, all from 0 to 1; ``reason`` says in words why one was ``chosen``.
    """

    name: str
    chosen: str
    reason: str
    target: float
    ensemble: float
    untaught: float
    accuracy: Mapping[str, float]
    candidates: Mapping[str, ModelReport]


@dataclass(frozen=True)
class AnchorChoice:
    """The choice of a route's next anchor: the teacher after so many ``epochs``, and why.

    ``divergence`` is KL(anchor || student) in nats on the validation part by epoch, of all that
    could be chosen; ``threshold`` is the largest that was allowed.
    """

    epochs: int
    reason: str
    divergence: Mapping[str, float]
    threshold: float


@dataclass(frozen=True)
class LearningCurve:
    """Validation after each epoch: shares from 0 to 1, and nats."""

    name: str
    epochs: tuple[int, ...]
    accuracy: tuple[float, ...]
    nll: tuple[float, ...]


@dataclass(frozen=True)
class SoftTargets:
    """The ensemble's mean soft target by true class: ``mean`` [C, C], rows sum to one."""

    classes: tuple[str, ...]
    temperature: float
    mean: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class RunReport:
    """A run. ``controls`` are those beside ``untaught``; ``first_stage`` is the student after the
    first of two stages; ``assistants``, ``generations`` and ``route`` are by their number, the
    first one "1": a route's are the student after each stage but the last, and
    ``generations_ensemble`` is of all generations and the student; ``choice`` is how the assistant
    was chosen, where it was; ``omitted`` are the indices of the classes that the student was never
    shown; ``artifacts`` are paths by name; ``terms`` are those of the student's
    objective; ``teacher_weights`` is none where they do not depend on the sample; ``remarks`` are
    sentences on the recipe, ``failures`` on attempts that have failed. ``format`` is 1 for reports
    of older versions, which do not state it: only the fields that have kept their names are read of
    these."""

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
    first_stage: ModelReport | None = None
    assistants: Mapping[str, ModelReport] = field(default_factory=dict)
    generations: Mapping[str, ModelReport] = field(default_factory=dict)
    generations_ensemble: ModelReport | None = None
    route: Mapping[str, ModelReport] = field(default_factory=dict)
    route_choices: Mapping[str, AnchorChoice] = field(default_factory=dict)
    choice: ChoiceReport | None = None
    stages: tuple[StageReport, ...] = ()
    artifacts: Mapping[str, str] = field(default_factory=dict)
    curves: tuple[LearningCurve, ...] = ()
    soft_targets: SoftTargets | None = None
    omitted: tuple[int, ...] = ()
    teaching: TeachingReport | None = None
    teacher_weights: WeightingReport | None = None
    terms: Mapping[str, TermReport] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    format: int = 1

    @property
    def title(self) -> str:
        """The run's name, ``@`` and the beginning of its digest."""
        return f"{self.name}@{self.recipe_digest[:12]}"

    @property
    def gain(self) -> tuple[float | None, float | None, float | None]:
        """Test accuracy of the student and of the untaught one, and their difference; none where
        there is no such model."""
        student, untaught = (
            None if model is None else model.test.accuracy
            for model in (self.student, self.untaught)
        )
        if student is None or untaught is None:
            return student, untaught, None
        return student, untaught, student - untaught

    @property
    def chain(self) -> tuple[ModelReport, ...]:
        """The intermediate models between teachers and student, in order."""
        return (*self.assistants.values(), *self.generations.values(), *self.route.values())

    def models(self) -> tuple[ModelReport, ...]:
        """All models as tables show them: teachers, ensemble, students, controls."""
        models = (
            *self.teachers.values(),
            self.ensemble,
            self.first_stage,
            *self.chain,
            self.generations_ensemble,
            self.student,
            *self.students.values(),
            self.untaught,
            *self.controls.values(),
        )
        return tuple(model for model in models if model is not None)

    def scores(self) -> dict[str, float]:
        """The figures that a tracker records, by ``MODEL/part/figure``."""
        scores = {
            f"{model.name}/{part}/{figure}": value
            for model in self.models()
            for part in ("test", "validation", "corrected")
            for figure in ("accuracy", "nll", "ece", "agreement")
            if (value := getattr(getattr(model, part), figure, None)) is not None
        }
        if self.choice is not None:
            scores["choice/target"] = self.choice.target
            for number, accuracy in self.choice.accuracy.items():
                scores[f"choice/candidates.{number}"] = accuracy
        if self.failures:
            scores["failures"] = float(len(self.failures))
        for part in (self.teaching, self.teacher_weights):
            scores |= part.scores() if part is not None else {}
        return scores

    def to_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints: plain mappings, lists, numbers and texts."""
        return dict(_REPORT.dump_python(self, mode="json"))

    @classmethod
    def from_json(cls, text: str | bytes) -> RunReport:
        """Reads the text of what ``to_json`` gave.

        Raises:
            ValueError: it is not a report.
        """
        return _REPORT.validate_json(text)


_REPORT = TypeAdapter(RunReport)


def ensemble_report(
    name: str, models: Sequence[ModelReport], test: PartScores, validation: PartScores | None
) -> ModelReport:
    """An ensemble as a model: it has no weights of its own, and its models' costs add up."""
    return ModelReport(
        name=name,
        role="ensemble",
        test=test,
        validation=validation,
        parameters=sum(each.parameters for each in models),
        macs=sum(each.macs for each in models),
        bytes=sum(each.bytes for each in models),
        latency_ms={
            batch: sum(each.latency_ms[batch] for each in models) for batch in models[0].latency_ms
        },
        seen_training=any(each.seen_training for each in models),
    )
