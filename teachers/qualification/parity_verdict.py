"""Judges a teacher by its answers to a few samples: the parity gate, from answers to verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from students.models.config import Preprocessing
from students.models.network import Network, preprocess
from students.torch_state import computing_on
from students.transfer_sets.class_subset import some_classes
from students.transfer_sets.transfer_set import TransferSet
from teachers.inference.inference_config import InferenceConfig
from teachers.qualification.parity_checks import (
    LARGEST_KL,
    MUCH_BETTER,
    SMALLEST_AGREEMENT,
    Plausibility,
    better_reading,
    fidelity,
    hardly_named,
    plausibility,
)
from teachers.qualification.preprocessing_variants import described, readings
from teachers.qualification.records import ProbeAnswers, Verdict

Ids = npt.NDArray[np.int64]

MOST_SAMPLES = 512
FEWEST_SAMPLES = 64
ALL_MACS = 1e11
"""Multiplications that the probe may cost in one pass, a few seconds of one core."""
FIRST_LOOK = 128
"""Samples by which another normalisation earns a look at all of them."""
CHUNK = 64


@dataclass(frozen=True)
class Probe:
    """Samples [N] by which a teacher is judged; ``labels`` [N] are none where they have none."""

    sample_ids: Ids
    labels: Tensor | None


def probe_of(transfer_set: TransferSet, macs: int, classes: Sequence[int] | None = None) -> Probe:
    """Samples of the validation part, else of the student's with labels, else without.

    As many as a network of ``macs`` multiplications for one sample answers in a few seconds;
    those with labels are of the ``classes`` that it knows, if it does not know all.
    """
    count = max(FEWEST_SAMPLES, min(MOST_SAMPLES, int(ALL_MACS / max(1, macs))))
    own = some_classes(transfer_set, classes)
    for ids in (own.validation_ids(), own.labelled):
        if len(ids):
            chosen = _spread(ids, count)
            return Probe(chosen, torch.from_numpy(transfer_set.targets[chosen]))
    return Probe(_spread(transfer_set.student_ids(), count), None)


def judge(name: str, asked: ProbeAnswers, labels: Tensor | None, better: tuple[str, str] | None,
          *, inference: InferenceConfig, temperature: float,
          classes: Sequence[int] | None = None, loaded: bool = True) -> Verdict:  # fmt: skip
    """The verdict on teacher ``name``; ``better`` is another reading of the pictures under which
    it is much more often right, and the settings that would give it. ``classes`` are those that
    its outputs stand for, if not all in order; only they are looked at, as its outputs have them.
    Of one that is not ``loaded``, but trained here, that map is no matter of doubt.
    """
    named = range(asked.given.shape[1]) if classes is None else classes
    found = None if labels is None else plausibility(*_as_its_own(asked.given, labels, named))
    problems = [] if asked.deterministic else [_not_deterministic(name)]
    # One cause is named, the most telling first: a wrong order of classes is near chance too.
    if found is not None and found.order is not None:
        problems.append(_other_order(name, found, named))
    elif better is not None:
        problems.append(_other_reading(name, *better))
    elif found is not None and found.near_chance:
        problems.append(_near_chance(name, found, mapped=classes is not None))
    verdict = Verdict(
        inference,
        temperature,
        fidelity(asked.given, asked.plain, temperature),
        asked.deterministic,
        found,
        better[0] if better else None,
        tuple(problems),
        doubts=tuple(_doubts(name, asked.given, labels)) if classes and loaded else (),
    )
    return at_temperature(name, verdict, asked, temperature)


def _doubts(name: str, given: Tensor, labels: Tensor | None) -> Iterator[str]:
    """Classes of a map that its teacher hardly ever names."""
    if labels is None:
        return
    right = (given.argmax(1) == labels).numpy()
    for label, (own, others, samples) in hardly_named(right, labels.numpy()).items():
        yield (
            f"`teachers.{name}.classes` may be mistaken about class {label}: the teacher names it "
            f"on {own:.1%} of its {samples} samples, and is right on {others:.1%} of the others; "
            "if its outputs mean another class there, say which"
        )


def at_temperature(name: str, verdict: Verdict, asked: ProbeAnswers, temperature: float) -> Verdict:
    """The same verdict with fidelity at another temperature."""
    near = fidelity(asked.given, asked.plain, temperature)
    unfaithful = ""
    # Noise of its own would show here too, and has been named.
    if not near.passes and verdict.deterministic:
        place = f"teachers.{name}.precision"
        unfaithful = (
            f"teacher '{name}', run as {verdict.inference}, does not answer as it does in plain "
            f"fp32: on {near.samples} samples the mean KL at temperature {temperature:g} is "
            f"{near.mean_kl:.1e} (at most {LARGEST_KL:g}) and the argmax is the same on "
            f"{near.same_argmax:.1%} (at least {SMALLEST_AGREEMENT:.1%}); set `{place}` to fp32"
        )
    return replace(verdict, temperature=temperature, fidelity=near, unfaithful=unfaithful)


def another_reading(
    network: Network, config: Preprocessing, pictures: Tensor, labels: Tensor,
    *, mean: tuple[float, ...], std: tuple[float, ...], plain: Tensor, threads: int,
) -> tuple[str, str] | None:  # fmt: skip
    """Another normalisation, or order of channels, under which a network is much better.

    Args:
        network: as the recipe has it; left as it is.
        config: its preprocessing.
        pictures: uint8 [N, C, H, W].
        labels: [N].
        mean: of the transfer set.
        std: of the transfer set.
        plain: the network's own answers [N, classes].
        threads: on which to compute.

    Returns:
        What it is, and its settings as a recipe has them; none where nothing is much better.
    """
    right = (plain.argmax(1) == labels).numpy()
    if 1.0 - right.mean() < MUCH_BETTER:
        return None
    others = readings(config, mean=mean, std=std)

    def right_under(names: Mapping[str, Preprocessing], part: slice) -> dict[str, npt.NDArray]:  # type: ignore[type-arg]
        answers = {
            name: _logits(_read_as(network, each, mean, std), pictures[part], threads)
            for name, each in names.items()
        }
        return {n: (each.argmax(1) == labels[part]).numpy() for n, each in answers.items()}

    first = slice(0, len(labels), max(1, len(labels) // FIRST_LOOK))
    promising = {
        name: others[name]
        for name, each in right_under(others, first).items()
        if each.mean() - right[first].mean() > 0.5 * MUCH_BETTER
    }
    best = better_reading(right, right_under(promising, slice(None)))
    return None if best is None else (best, described(others[best]))


def _read_as(
    network: Network, config: Preprocessing, mean: tuple[float, ...], std: tuple[float, ...]
) -> Network:
    first = preprocess(config, mean=mean, std=std, channels=len(mean))
    return Network(first, network.model, network.spread)


def _logits(network: Network, pictures: Tensor, threads: int) -> Tensor:
    with computing_on(threads), torch.inference_mode():
        return torch.cat([network(chunk) for chunk in torch.split(pictures, CHUNK)])


def _spread(ids: Ids, count: int) -> Ids:
    """At most ``count`` of ``ids``, evenly over all of them."""
    places = np.linspace(0, len(ids) - 1, min(count, len(ids))).round().astype(np.int64)
    return ids[places]


def _as_its_own(
    logits_NC: Tensor, labels_N: Tensor, classes: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Logits [N, outputs] and labels [N] as a network of ``classes`` numbers them itself."""
    places = torch.full((logits_NC.shape[1],), -1)
    places[list(classes)] = torch.arange(len(classes))
    return logits_NC[:, list(classes)], places[labels_N]


def _not_deterministic(name: str) -> str:
    return (
        f"`teachers.{name}` gives the same samples other answers when it is asked again in other "
        "company; an answer must depend on the sample alone: take out what is random, or looks at "
        "the rest of the batch, in its evaluation mode (dropout, noise, batch statistics)"
    )


def _other_order(name: str, found: Plausibility, classes: Sequence[int]) -> str:
    assert found.order is not None
    meant = [classes[place] for place in found.order]
    moved = [f"{here} is {there}" for here, there in zip(classes, meant, strict=True)
             if here != there]  # fmt: skip
    listed = ", ".join(moved[:5]) + (", ..." if len(moved) > 5 else "")
    return (
        f"`teachers.{name}` has its classes in another order than it is said to have: "
        f"{found.accuracy:.1%} of {found.samples} labelled samples are right, but "
        f"{found.reordered:.1%} where its class {listed}; set `teachers.{name}.classes` to "
        f"[{', '.join(map(str, meant))}]"
    )


def _other_reading(name: str, reading: str, settings: str) -> str:
    place = f"teachers.{name}.model.preprocessing"
    return (
        f"`{place}` does not fit the weights of teacher '{name}': it is right much more often with "
        f"{reading}; set it to {settings}"
    )


def _near_chance(name: str, found: Plausibility, *, mapped: bool) -> str:
    other = f"see to `teachers.{name}.classes`, " if mapped else ""
    return (
        f"`teachers.{name}` is right on {found.accuracy:.1%} of {found.samples} labelled samples, "
        f"where chance alone gives {found.chance:.1%} (so many or more with a probability of "
        f"{found.by_chance:.2g}); {other}give it other weights or train it longer, or set "
        f"`teachers.{name}.gate` to warn"
    )
