"""Loss terms and teacher weights of the student's objective, by epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


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
