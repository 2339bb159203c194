"""Finds the fastest way of running a teacher that answers as plain fp32 does.

Rates are medians of forward passes in turns, so that whatever else the machine does falls on
all candidates alike.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from students.knowledge import Answer, Tap
from students.models.network import Network
from students.models.profile import costs
from teachers.inference.answer_encoding import NotNumbers, decode
from teachers.inference.compilation import can_compile
from teachers.inference.inference_config import InferenceConfig, plain
from teachers.inference.teacher import Teacher
from teachers.qualification.parity_checks import LARGEST_KL, SMALLEST_AGREEMENT, fidelity
from teachers.qualification.records import Candidate, Tuning

WORTH_MACS = 1e12
"""Multiplications up to which nothing is tried: plain fp32 is done with so many in less than
a minute on one core. A count and no clock, so that small runs have the same bits everywhere."""
WORTH_GAIN = 1.15
FORWARD_BATCHES = {"cpu": (32, 128), "cuda": (256, 512)}
"""Tried beside the plain manner's own. On a CPU larger ones fall out of its cache (measured:
ResNet-56 at 256 is never the fastest); a GPU is not busy with less."""
SECONDS = 4.0
"""About how long the turns take, once each candidate has been tried."""
TURNS = 12
LONGEST_SECONDS, LONGEST_SHARE = 15.0, 0.02
"""After these, or this share of the time that plain fp32 would take, no more is tried."""
SLOW = 0.8
"""A candidate that is slower than this share of the fastest is not looked at again."""
COMPILING_SAVES = 0.2
"""The share of the time that compiling is expected to save, when it is decided to try it."""
COMPILING_SECONDS = 60.0


@dataclass
class _Entry:
    """A manner that is being tried, and the seconds of each pass of its forward batch."""

    inference: InferenceConfig
    teacher: Teacher | None = None
    passes: list[float] = field(default_factory=list)
    compiling: float = 0.0
    trial: Candidate = field(init=False)

    def __post_init__(self) -> None:
        self.trial = Candidate(self.inference)

    @property
    def rate(self) -> float:
        """Median samples/s."""
        return self.inference.forward_batch / statistics.median(self.passes)


def tune(
    network: Network,
    taps: Sequence[Tap],
    pictures: Tensor,
    *,
    threads: int,
    device: str,
    temperature: float,
    samples_to_answer: int,
    cache: Path | None = None,
) -> Tuning:
    """The manner in which ``network`` answers fastest, held to plain fp32 by ``pictures``.

    Args:
        network: left as it is.
        taps: asked beside the logits.
        pictures: uint8 [N, C, H, W], some hundreds as the teacher will be asked.
        threads: all manners have as many.
        device: where the teacher computes.
        temperature: at which fidelity counts.
        samples_to_answer: how many answers there will be to compute.
        cache: a folder for what is compiled.
    """
    usual = plain(threads)
    shape = (int(pictures.shape[1]), int(pictures.shape[2]), int(pictures.shape[3]))
    macs = costs(network, shape).macs
    if macs * samples_to_answer < WORTH_MACS:
        reason = f"{samples_to_answer} answers of {macs} multiplications each need no tuning"
        return Tuning(usual, None, None, (), reason)
    probe = _Probe(network, tuple(taps), pictures, device, cache)
    return _Search(probe, usual, temperature, samples_to_answer).tuning()


@dataclass(frozen=True)
class _Probe:
    """What candidates are tried on."""

    network: Network
    taps: tuple[Tap, ...]
    pictures: Tensor
    device: str
    cache: Path | None

    def enter(self, candidate: _Entry) -> None:
        """Builds its teacher and has it answer, which makes ready what later passes find ready;
        what it cannot do is told in its trial."""
        began = time.perf_counter()
        try:
            candidate.teacher = Teacher(
                self.network,
                self.taps,
                inference=candidate.inference,
                device=self.device,
                cache=self.cache,
            )
            candidate.teacher.answer(self.pictures[:1])
        except NotNumbers as error:
            candidate.trial = replace(candidate.trial, rejected=str(error))
        except RuntimeError as error:  # also torch's own for what its compiler cannot do
            reason = str(error).strip().splitlines()[0][:200]
            candidate.trial = replace(candidate.trial, rejected=f"does not run ({reason})")
        candidate.compiling = time.perf_counter() - began if candidate.inference.compiled else 0.0

    def turn(self, candidate: _Entry) -> None:
        """Times one forward pass, answers encoded."""
        assert candidate.teacher is not None
        count = candidate.inference.forward_batch
        inputs = self.pictures.repeat(-(-count // len(self.pictures)), 1, 1, 1)[:count]
        began = time.perf_counter()
        candidate.teacher.answer(inputs)
        candidate.passes.append(time.perf_counter() - began)

    def judged(self, candidate: _Entry, reference: Answer, temperature: float) -> Candidate:
        """The candidate's trial, with how near it is to ``reference``, answers in plain fp32."""
        assert candidate.teacher is not None
        answer = candidate.teacher.answer(self.pictures)
        near = fidelity(decode(answer.logits), decode(reference.logits), temperature)
        trial = replace(
            candidate.trial, mean_kl=near.mean_kl, same_argmax=near.same_argmax, rejected=""
        )
        if not near.passes:
            limits = f"{LARGEST_KL:g} and {SMALLEST_AGREEMENT:.1%}"
            said = f"{near.mean_kl:.1e} and {near.same_argmax:.1%}"
            return replace(trial, rejected=f"not faithful: mean KL and same argmax are {said}, "
                           f"not {limits}")  # fmt: skip
        if not is_batch_invariant(candidate.teacher, self.pictures, answer):
            return replace(trial, rejected="its bits depend on the company of a sample")
        return trial


@dataclass
class _Search:
    """One tuning under way."""

    probe: _Probe
    usual: InferenceConfig
    temperature: float
    samples: int
    tried: list[_Entry] = field(default_factory=list)
    began: float = field(default_factory=time.perf_counter)

    def tuning(self) -> Tuning:
        first = self._try([self.usual])[0]
        if not first.passes:
            return self._ended(first, "plain fp32 itself does not answer")
        self._try(self._ways())
        self._try(self._batches(self._fastest().inference))
        self._take_turns()
        if self._compiling_may_pay():
            self._try([replace(self._fastest().inference, compiled=True)])
            self._take_turns()
        return self._chosen(first)

    def _ways(self) -> list[InferenceConfig]:
        """Precision and layout, at the plain manner's forward batch."""
        low = replace(self.usual, precision="bf16")
        if not _has_convolutions(self.probe.network):
            return [low]
        laid = {"channels_last": True, "folded": True}
        # Autocast alone is out of the question for convolutions: it turns each picture round
        # before and after every one of them.
        return [replace(self.usual, **laid), replace(low, **laid)]  # type: ignore[arg-type]

    def _batches(self, inference: InferenceConfig) -> list[InferenceConfig]:
        return [
            replace(inference, forward_batch=count) for count in FORWARD_BATCHES[self.probe.device]
        ]

    def _try(self, inferences: Iterable[InferenceConfig]) -> list[_Entry]:
        entered = []
        for inference in inferences:
            if self.tried and time.perf_counter() > self._end():
                break
            entered.append(candidate := _Entry(inference))
            self.tried.append(candidate)
            self.probe.enter(candidate)
            if not candidate.trial.rejected:
                self.probe.turn(candidate)
        return entered

    def _end(self) -> float:
        """When nothing more is tried: a network that takes minutes to probe is worth them only
        if it has hours to answer."""
        plain_seconds = self.samples / self.tried[0].rate
        return self.began + max(LONGEST_SECONDS, LONGEST_SHARE * plain_seconds)

    def _running(self) -> list[_Entry]:
        return [each for each in self.tried if each.passes]

    def _fastest(self) -> _Entry:
        return max(self._running(), key=lambda each: each.rate)

    def _take_turns(self) -> None:
        """Plain, and whoever may still be the fastest, for some seconds."""
        end, least = time.perf_counter() + SECONDS, SLOW * self._fastest().rate
        racing = [e for e in self._running() if e.inference == self.usual or e.rate >= least]
        for turn in range(TURNS):
            for candidate in racing:
                self.probe.turn(candidate)
            if turn >= 1 and time.perf_counter() > end:
                return

    def _compiling_may_pay(self) -> bool:
        if not can_compile(torch.device(self.probe.device)):
            return False
        return self.samples / self._fastest().rate * COMPILING_SAVES > 2 * COMPILING_SECONDS

    def _seconds(self, candidate: _Entry) -> float:
        """How long it takes over all answers; every replica compiles for itself."""
        return self.samples / candidate.rate + candidate.compiling

    def _chosen(self, first: _Entry) -> Tuning:
        assert first.teacher is not None
        reference = first.teacher.answer(self.probe.pictures)
        for candidate in sorted(self._running(), key=self._seconds):
            if candidate is first or candidate.rate < WORTH_GAIN * first.rate:
                return self._ended(first, f"nothing faithful is {WORTH_GAIN:g} times as fast")
            candidate.trial = self.probe.judged(candidate, reference, self.temperature)
            if not candidate.trial.rejected:
                return self._ended(candidate, "the fastest that is faithful", first)
        raise AssertionError("plain itself is among them")

    def _ended(self, chosen: _Entry, reason: str, first: _Entry | None = None) -> Tuning:
        first = first or chosen
        return Tuning(
            chosen.inference,
            first.rate if first.passes else None,
            chosen.rate if chosen.passes else None,
            tuple(self._told(each, chosen) for each in self.tried),
            reason,
        )

    def _told(self, candidate: _Entry, chosen: _Entry) -> Candidate:
        if not candidate.passes:
            return candidate.trial
        trial = replace(candidate.trial, rate=candidate.rate)
        if candidate is chosen or trial.rejected:
            return trial
        slower = "slower" if candidate.rate <= chosen.rate else "does not repay what it costs"
        return replace(trial, rejected=slower)


def is_batch_invariant(teacher: Teacher, pictures: Tensor, answer: Answer) -> bool:
    """Whether ``answer``, to ``pictures``, comes again in another order and in less company."""
    backward = np.arange(len(pictures))[::-1].copy()
    few = backward[: max(1, min(len(backward), teacher.inference.forward_batch) // 3)]
    return all(
        np.array_equal(
            teacher.answer(pictures[torch.from_numpy(places)]).logits, answer.logits[places]
        )
        for places in (backward, few)
    )


def _has_convolutions(network: nn.Module) -> bool:
    return any(isinstance(module, nn.Conv2d) for module in network.modules())
