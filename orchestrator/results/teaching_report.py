"""How the student was taught: terms, teacher weights, inference, speed of steps, the prediction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, computed_field

from students.json_records import read_json

MEASURED = "measured.json"
"""The file of a run's folder in which ``check --measure`` stores what it predicts."""
_MOST_OVERLAP = 0.05
"""Speeds are not compared where other stages ran during more of the time than that."""


@dataclass(frozen=True)
class TermReport:
    """One term of the student's objective in each epoch, from the first to the last.

    ``weights`` are those of the recipe; ``values`` are unweighted means over the epoch's
    samples; ``gradients`` are norms of the weighted term's gradient with respect to what it
    reads of the student (logits, or a guided layer), in the epoch's first step. None where the
    term was not computed.
    """

    kind: str
    weights: tuple[float, ...]
    values: tuple[float | None, ...]
    gradients: tuple[float | None, ...]


def gradient_shares(terms: Mapping[str, TermReport], epoch: int) -> dict[str, float]:
    """Each term's share of the sum of the gradients' norms in one epoch (-1: the last); nothing
    where they are not known, or all zero."""
    norms = {name: term.gradients[epoch] or 0.0 for name, term in terms.items() if term.gradients}
    whole = sum(norms.values())
    return {name: norm / whole for name, norm in norms.items()} if whole > 0 else {}


@dataclass(frozen=True)
class WeightingReport:
    """Teacher weights under a ``rule`` that depends on the sample (neither uniform nor fixed).

    ``weights`` are each teacher's mean weight over the samples of each of ``epochs``, which are
    counted from one; ``fallback_shares`` the shares of samples whose target was the label, since
    no teacher had any weight. ``by_class`` is a teacher's mean weight on each class's samples in
    the last epoch (an unlabelled sample belongs to the class that the teachers predict; none
    where there were no samples; empty where teachers and classes are too many to record).
    ``target_changed`` are the shares of samples whose target differs from that of the uniform
    mean, ``class_changed`` of those whose most likely class does. ``samples_seen``: all teachers
    were trained on all of the student's samples. ``is_trained``: a gating network that is trained
    with the student computes the weights. ``training_only``: why the rule cannot be applied to
    held-out parts, where the ensemble is evaluated with uniform weights then; empty if it can.
    """

    rule: str
    epochs: tuple[int, ...]
    weights: Mapping[str, tuple[float, ...]]
    target_changed: tuple[float, ...]
    class_changed: tuple[float, ...]
    fallback_shares: tuple[float, ...] = ()
    by_class: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    samples_seen: bool = False
    is_trained: bool = False
    training_only: str = ""

    def scores(self) -> dict[str, float]:
        """The figures of the last epoch that a tracker records, by ``teacher_weights/...``."""
        return {
            "teacher_weights/target_changed": self.target_changed[-1],
            "teacher_weights/class_changed": self.class_changed[-1],
            **{f"teacher_weights/{name}": each[-1] for name, each in self.weights.items()},
        }


@dataclass(frozen=True)
class TeacherRun:
    """One teacher of the student.

    ``inference`` in words; ``plain_rate`` and ``chosen_rate`` samples/s when it was chosen, in
    plain fp32 and as chosen (none where there was nothing to choose). Parity: ``kl`` is the mean
    divergence from plain fp32 in nats at the ensemble's temperature, ``same_argmax`` a share,
    ``verdict`` in words (none where no gate was passed). Answers: ``read`` from the bank and
    ``asked`` of the teacher, which had to compute ``computed`` of these.
    """

    inference: str | None = None
    plain_rate: float | None = None
    chosen_rate: float | None = None
    kl: float | None = None
    same_argmax: float | None = None
    verdict: str | None = None
    read: int = 0
    asked: int = 0
    computed: int = 0

    @computed_field  # type: ignore[prop-decorator]
    @property
    def speedup(self) -> float | None:
        """How many times faster than plain fp32; none where that was not measured."""
        if not self.plain_rate or not self.chosen_rate:
            return None
        return self.chosen_rate / self.plain_rate


@dataclass(frozen=True)
class StepSpeed:
    """The steps of one stage: ``samples_per_second`` over all of them, the share of their time
    that the student waited for knowledge, and the share during which other stages of the run
    were running too (``overlap``), which may have slowed it."""

    samples_per_second: float
    wait_share: float
    overlap: float = 0.0

    @property
    def comparable(self) -> bool:
        """Whether its speed may be compared with that of another stage."""
        return self.overlap <= _MOST_OVERLAP


@dataclass(frozen=True)
class Prediction:
    """What ``check --measure`` predicted of a run.

    ``samples_per_second`` of the student's steps, seconds of each stage by title, ``bytes`` of
    the answers in the bank, and ``seconds`` of the whole run.
    """

    seconds: float
    samples_per_second: float | None = None
    stages: Mapping[str, float] = field(default_factory=dict)
    bytes: int | None = None


def read_prediction(run_folder: Path, student_digest: str) -> Prediction | None:
    """The prediction stored in ``run_folder``; none where there is none, or a damaged one."""
    try:
        stored = read_json(run_folder / MEASURED)
        stages = stored["stages"]
        own = [stage for stage in stages if stage["digest"] == student_digest]
        predicted = {
            "seconds": stored["seconds"],
            "samples_per_second": own[0]["samples_per_second"] if own else None,
            "stages": {stage["name"]: stage["seconds"] for stage in stages},
            "bytes": stored["bank"] and stored["bank"]["bytes"],
        }
        return TypeAdapter(Prediction).validate_python(predicted)
    except (OSError, ValueError, KeyError, TypeError):
        return None


@dataclass(frozen=True)
class TeachingReport:
    """How the student was taught. ``bytes`` are those of its teachers' answers in the bank."""

    teachers: Mapping[str, TeacherRun] = field(default_factory=dict)
    student: StepSpeed | None = None
    untaught: StepSpeed | None = None
    bytes: int | None = None
    prediction: Prediction | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def of_untaught(self) -> float | None:
        """The student's samples/s as a share of the untaught student's; none where other stages
        ran at the same time as either of them."""
        if self.student is None or self.untaught is None:
            return None
        if not (self.student.comparable and self.untaught.comparable):
            return None
        return self.student.samples_per_second / self.untaught.samples_per_second

    def scores(self) -> dict[str, float]:
        """The figures that a tracker records, by ``teaching/...``."""
        scores: dict[str, float | None] = {"teaching/of_untaught": self.of_untaught}
        for name, speed in (("student", self.student), ("untaught", self.untaught)):
            for figure in ("samples_per_second", "wait_share", "overlap"):
                scores[f"teaching/{name}/{figure}"] = getattr(speed, figure, None)
        for name, run in self.teachers.items():
            for figure in ("speedup", "kl", "same_argmax", "read", "computed"):
                scores[f"teaching/{name}/{figure}"] = getattr(run, figure)
        return {name: float(value) for name, value in scores.items() if value is not None}
