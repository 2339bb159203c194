"""The weight of each teacher in the student's targets, by epoch and class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


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
        if not self.epochs:
            return {}
        return {
            "teacher_weights/target_changed": self.target_changed[-1],
            "teacher_weights/class_changed": self.class_changed[-1],
            **{f"teacher_weights/{name}": each[-1] for name, each in self.weights.items()},
        }
