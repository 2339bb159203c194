"""The parity gate, from a teacher's answers to a few samples to its verdict in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from students.models.network import UNKNOWN
from students.models.probabilities import squashed_by
from students.transfer_sets.transfer_set import TransferSet, some_classes
from teachers.bank.columns import Ids
from teachers.inference.answer_encoding import LARGEST
from teachers.inference.inference_config import InferenceConfig
from teachers.qualification.fidelity import (
    LARGEST_KL,
    SMALLEST_AGREEMENT,
    fidelity,
    smallest_top_k,
    stored,
)
from teachers.qualification.parity_checks import Plausibility, plausibility, rarely_predicted
from teachers.qualification.parity_sentences import (
    near_chance,
    no_logits,
    not_deterministic,
    other_order,
    other_preprocessing,
    title_of,
    too_few,
    unsure,
)
from teachers.qualification.records import ProbeAnswers, Verdict

MOST_SAMPLES = 512
FEWEST_SAMPLES = 64
UNSURE = 0.4
"""By how much more often a teacher may be right than its probabilities say. (Label smoothing of
0.1 lowers these by 0.09.)"""
ALL_MACS = 1e11
"""Multiplications that the probe may cost in one pass, a few seconds of one core."""


@dataclass(frozen=True)
class Probe:
    """The samples [N] on which a teacher is checked, and their ``labels`` [N], if they have any;
    the first ``held_out`` are of the validation part."""

    sample_ids: Ids
    labels: Tensor | None
    held_out: int = 0


def choose_probe(
    transfer_set: TransferSet, macs: int, classes: Sequence[int] | None = None
) -> Probe:
    """Samples of the validation part, where these are few also of the student's with labels;
    where there are neither, without labels.

    As many as a network of ``macs`` multiplications for one sample computes in a few seconds;
    those with labels are of the ``classes`` that it covers, if it does not cover all.
    """
    count = max(FEWEST_SAMPLES, min(MOST_SAMPLES, int(ALL_MACS / max(1, macs))))
    own = some_classes(transfer_set, classes)
    chosen = _evenly(own.validation_ids, count)
    held_out = len(chosen)
    if held_out < FEWEST_SAMPLES:
        chosen = np.concatenate([chosen, _evenly(own.labelled, count - held_out)])
    if len(chosen):
        return Probe(chosen, torch.from_numpy(transfer_set.targets[chosen]), held_out)
    return Probe(_evenly(transfer_set.student_ids, count), None)


def assess(
    place: str,
    answers: ProbeAnswers,
    probe: Probe,
    better: tuple[str, str] | None,
    *,
    inference: InferenceConfig,
    temperature: float,
    top_k: int | None = None,
    classes: Sequence[int] | None = None,
    loaded: bool = True,
) -> Verdict:
    """The verdict on the teacher at ``place`` of the recipe, run as ``inference``, by its answers
    to the probe.

    ``better`` is another preprocessing under which it is much better, and its settings;
    ``temperature`` is that of the KL divergence that measures fidelity, and ``top_k`` how many
    logits a student gets exactly; only ``classes`` are looked at, those that its outputs stand for
    (None: all in order). ``loaded``: its weights are from a file; of a teacher trained here the
    classes are certain.
    """
    outputs = range(answers.plain.shape[1]) if classes is None else classes
    found = _plausibility(answers.plain, probe, outputs)
    if found is not None and not loaded:
        found = replace(found, order=None)
    problems = [] if answers.deterministic else [not_deterministic(place)]
    # What depends on the batch may be a softmax over it, whose sums mean nothing.
    squashed = squashed_by(answers.plain[:, list(outputs)]) if answers.deterministic else ""
    if squashed:
        problems.append(no_logits(place, squashed))
    doubts = [*_find_doubts(place, answers.plain, probe.labels)] if classes and loaded else []
    confidence = _confidence(answers.plain[:, list(outputs)])
    if found is not None and loaded and not squashed and found.accuracy - confidence > UNSURE:
        doubts.append(unsure(place, found, confidence))
    implausible = ""
    # One cause is named, the most specific first: a wrong order of classes is near chance too.
    if found is not None and found.order is not None:
        problems.append(other_order(place, found, found.order, outputs))
    elif better is not None:
        problems.append(other_preprocessing(place, *better))
    elif found is not None and found.too_few:
        doubts.append(too_few(place, found))
    elif found is not None and found.near_chance:
        implausible = near_chance(place, found, mapped=classes is not None, loaded=loaded)
    verdict = Verdict(
        inference,
        temperature,
        fidelity(answers.given, answers.plain, temperature),
        answers.deterministic,
        found,
        better[0] if better else None,
        tuple(problems),
        doubts=tuple(doubts),
        squashed=squashed,
        implausible=implausible,
    )
    return compared_again(place, verdict, answers, temperature, top_k)


def compared_again(
    place: str,
    verdict: Verdict,
    answers: ProbeAnswers,
    temperature: float,
    top_k: int | None = None,
) -> Verdict:
    """The same verdict with fidelity at another temperature, or another ``top_k``."""
    near = fidelity(stored(answers.given, top_k), answers.plain, temperature)
    found = replace(verdict, temperature=temperature, top_k=top_k, fidelity=near)
    # A teacher that is not deterministic differs here too, and that is a problem of its own.
    fails = verdict.deterministic and not near.passes
    cause, sentence = _unfaithful(place, found, answers) if fails else ("", "")
    return replace(found, unfaithful=sentence, unfaithful_cause=cause)


def _unfaithful(place: str, verdict: Verdict, answers: ProbeAnswers) -> tuple[str, str]:
    """Why a student does not get what the teacher answers in plain fp32: in a few words, and as a
    whole sentence."""
    near, temperature, top_k = verdict.fidelity, verdict.temperature, verdict.top_k
    plain, kept, name = answers.plain, stored(answers.plain), title_of(place)
    own = plain[plain != UNKNOWN]
    found = (
        f"on {near.samples} samples the mean KL at temperature {temperature:g} is "
        f"{near.mean_kl:.1e} (at most {LARGEST_KL:g}) and the argmax is the same on "
        f"{near.same_argmax:.1%} (at least {SMALLEST_AGREEMENT:.1%})"
    )
    if not fidelity(kept, plain, temperature).passes:
        return "logits out of float16's range", (
            f"teacher '{name}' returns logits from {float(own.min()):.3g} to "
            f"{float(own.max()):.3g}, but answers are kept and sent in float16, which ends at "
            f"{LARGEST:.0f} and has steps of a thousandth: {found}; scale its logits down in its "
            "model, or take each row's mean off there"
        )
    if top_k is None or not fidelity(answers.given, kept, temperature).passes:
        setting = f"{place}.precision"
        return "not faithful to fp32", (
            f"teacher '{name}', run as {verdict.inference}, does not answer as it does in "
            f"plain fp32: {found}; set `{setting}` to fp32"
        )
    enough = smallest_top_k(plain, temperature, top_k)
    larger = f"make it {enough} at least, or none" if enough else "write none"
    return f"top_k of {top_k} leaves out too much", (
        f"`ensemble.bank.top_k` is {top_k}, with which a student does not get what teacher "
        f"'{name}' answers, since the mean of the other logits replaces each of them: {found}; "
        f"{larger}, or set `{place}.gate` to warn"
    )


def _plausibility(logits_NC: Tensor, probe: Probe, outputs: Sequence[int]) -> Plausibility | None:
    """By the samples that are held out, which no teacher has learned by heart; by all, where those
    are too few, or where only all show another order of the classes; None without labels."""
    if probe.labels is None:
        return None
    logits, labels = _in_own_numbering(logits_NC, probe.labels, outputs)
    whole = plausibility(logits, labels)
    if not 0 < probe.held_out < len(labels) or whole.order is not None:
        return whole
    own = plausibility(logits[: probe.held_out], labels[: probe.held_out])
    return whole if own.too_few else own


def _confidence(logits_NC: Tensor) -> float:
    """The mean of each sample's largest probability, at temperature 1."""
    return float(torch.softmax(logits_NC.double(), dim=1).amax(1).mean())


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


def _find_doubts(place: str, given: Tensor, labels: Tensor | None) -> Iterator[str]:
    """Sentences on the classes of a map that its teacher rarely predicts."""
    if labels is None:
        return
    right = (given.argmax(1) == labels).numpy()
    for label, (own, others, samples) in rarely_predicted(right, labels.numpy()).items():
        yield (
            f"`{place}.classes` may be mistaken about class {label}: the teacher predicts "
            f"it on {own:.1%} of its {samples} samples, and is right on {others:.1%} of the "
            "others; if its outputs mean another class there, say which"
        )
