"""The parity gate, from a teacher's answers to a few samples to its verdict in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from students.transfer_sets.transfer_set import TransferSet, some_classes
from teachers.bank.columns import Ids
from teachers.inference.inference_config import InferenceConfig
from teachers.qualification.parity_checks import (
    LARGEST_KL,
    SMALLEST_AGREEMENT,
    Plausibility,
    fidelity,
    plausibility,
    rarely_predicted,
)
from teachers.qualification.records import ProbeAnswers, Verdict

MOST_SAMPLES = 512
FEWEST_SAMPLES = 64
ALL_MACS = 1e11
"""Multiplications that the probe may cost in one pass, a few seconds of one core."""


@dataclass(frozen=True)
class Probe:
    """The samples [N] on which a teacher is checked, and their ``labels`` [N], if they have any."""

    sample_ids: Ids
    labels: Tensor | None


def choose_probe(
    transfer_set: TransferSet, macs: int, classes: Sequence[int] | None = None
) -> Probe:
    """Samples of the validation part, else of the student's with labels, else without.

    As many as a network of ``macs`` multiplications for one sample computes in a few seconds;
    those with labels are of the ``classes`` that it covers, if it does not cover all.
    """
    count = max(FEWEST_SAMPLES, min(MOST_SAMPLES, int(ALL_MACS / max(1, macs))))
    own = some_classes(transfer_set, classes)
    for ids in (own.validation_ids, own.labelled):
        if len(ids):
            chosen = _evenly(ids, count)
            return Probe(chosen, torch.from_numpy(transfer_set.targets[chosen]))
    return Probe(_evenly(transfer_set.student_ids, count), None)


def assess(
    name: str,
    answers: ProbeAnswers,
    labels: Tensor | None,
    better: tuple[str, str] | None,
    *,
    inference: InferenceConfig,
    temperature: float,
    classes: Sequence[int] | None = None,
    loaded: bool = True,
) -> Verdict:
    """The verdict on teacher ``name``, run as ``inference``, by its answers to the probe.

    ``labels`` [N] are the probe's; ``better`` is another preprocessing under which it is much
    better, and its settings; ``temperature`` is that of the KL divergence that measures fidelity;
    only ``classes`` are looked at, those that its outputs stand for (None: all in order).
    ``loaded``: its weights are from a file; of a teacher trained here the classes are certain.
    """
    outputs = range(answers.given.shape[1]) if classes is None else classes
    found = None
    if labels is not None:
        found = plausibility(*_in_own_numbering(answers.given, labels, outputs))
    problems = [] if answers.deterministic else [_not_deterministic(name)]
    # One cause is named, the most specific first: a wrong order of classes is near chance too.
    if found is not None and found.order is not None:
        problems.append(_other_order(name, found, outputs))
    elif better is not None:
        problems.append(_other_preprocessing(name, *better))
    elif found is not None and found.near_chance:
        problems.append(_near_chance(name, found, mapped=classes is not None))
    verdict = Verdict(
        inference,
        temperature,
        fidelity(answers.given, answers.plain, temperature),
        answers.deterministic,
        found,
        better[0] if better else None,
        tuple(problems),
        doubts=tuple(_find_doubts(name, answers.given, labels)) if classes and loaded else (),
    )
    return at_temperature(name, verdict, answers, temperature)


def at_temperature(
    name: str, verdict: Verdict, answers: ProbeAnswers, temperature: float
) -> Verdict:
    """The same verdict with fidelity at another temperature."""
    near = fidelity(answers.given, answers.plain, temperature)
    unfaithful = ""
    # A teacher that is not deterministic differs here too, and that is a problem of its own.
    if not near.passes and verdict.deterministic:
        place = f"teachers.{name}.precision"
        unfaithful = (
            f"teacher '{name}', run as {verdict.inference}, does not answer as it does in plain "
            f"fp32: on {near.samples} samples the mean KL at temperature {temperature:g} is "
            f"{near.mean_kl:.1e} (at most {LARGEST_KL:g}) and the argmax is the same on "
            f"{near.same_argmax:.1%} (at least {SMALLEST_AGREEMENT:.1%}); set `{place}` to fp32"
        )
    return replace(verdict, temperature=temperature, fidelity=near, unfaithful=unfaithful)


def _evenly(ids: Ids, count: int) -> Ids:
    """At most ``count`` of ``ids``, evenly over all of them."""
    places = np.linspace(0, len(ids) - 1, min(count, len(ids))).round().astype(np.int64)
    return ids[places]


def _in_own_numbering(
    logits_NC: Tensor, labels_N: Tensor, outputs: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Logits [N, outputs] and labels [N] as a network of these ``outputs`` numbers its classes."""
    places = torch.full((logits_NC.shape[1],), -1)
    places[list(outputs)] = torch.arange(len(outputs))
    return logits_NC[:, list(outputs)], places[labels_N]


def _find_doubts(name: str, given: Tensor, labels: Tensor | None) -> Iterator[str]:
    """Sentences on the classes of a map that its teacher rarely predicts."""
    if labels is None:
        return
    right = (given.argmax(1) == labels).numpy()
    for label, (own, others, samples) in rarely_predicted(right, labels.numpy()).items():
        yield (
            f"`teachers.{name}.classes` may be mistaken about class {label}: the teacher predicts "
            f"it on {own:.1%} of its {samples} samples, and is right on {others:.1%} of the "
            "others; if its outputs mean another class there, say which"
        )


def _not_deterministic(name: str) -> str:
    return (
        f"`teachers.{name}` gives the same samples other answers in another batch; an answer must "
        "depend on the sample alone: take out what is random, or looks at the rest of the batch, "
        "in its evaluation mode (dropout, noise, batch statistics)"
    )


def _other_order(name: str, found: Plausibility, outputs: Sequence[int]) -> str:
    assert found.order is not None
    meant = [outputs[place] for place in found.order]
    pairs = zip(outputs, meant, strict=True)
    moved = [f"{here} is {there}" for here, there in pairs if here != there]
    listed = ", ".join(moved[:5]) + (", ..." if len(moved) > 5 else "")
    return (
        f"`teachers.{name}` has its classes in another order than the recipe says: "
        f"{found.accuracy:.1%} of {found.samples} labelled samples are right, but "
        f"{found.reordered:.1%} where its class {listed}; set `teachers.{name}.classes` to "
        f"[{', '.join(map(str, meant))}]"
    )


def _other_preprocessing(name: str, variant: str, settings: str) -> str:
    place = f"teachers.{name}.model.preprocessing"
    return (
        f"`{place}` does not fit the weights of teacher '{name}': it is right much more often with "
        f"{variant}; set it to {settings}"
    )


def _near_chance(name: str, found: Plausibility, *, mapped: bool) -> str:
    other = f"check `teachers.{name}.classes`, " if mapped else ""
    return (
        f"`teachers.{name}` is right on {found.accuracy:.1%} of {found.samples} labelled samples, "
        f"where chance alone gives {found.chance:.1%} (so many or more with a probability of "
        f"{found.by_chance:.2g}); {other}give it other weights or train it longer, or set "
        f"`teachers.{name}.gate` to warn"
    )
