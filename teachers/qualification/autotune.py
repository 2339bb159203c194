"""Finds the fastest inference config of a teacher that stays faithful to plain fp32.

Rates are medians of forward passes taken in turns, so that other load on the machine slows all
candidates in the same way.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from cluster.errors import first_line
from students.knowledge import Answer, Tap
from students.models.network import Network
from students.models.profile import costs
from teachers.inference.answer_encoding import NotNumbers, decode
from teachers.inference.inference_config import InferenceConfig, plain
from teachers.inference.runnable import can_compile
from teachers.inference.teacher import Teacher
from teachers.qualification.fidelity import (
    LARGEST_KL,
    SMALLEST_AGREEMENT,
    Fidelity,
    fidelity,
)
from teachers.qualification.records import Candidate, Tuning

WORTH_MACS = 1e12
"""Multiplications up to which nothing is tried: plain fp32 is done with so many in less than
a minute on one core. A count and no clock, so that small runs have the same bits everywhere."""
WORTH_GAIN = 1.15
FORWARD_BATCHES = {"cpu": (32, 128), "cuda": (256, 512)}
"""Tried beside that of plain fp32. On a CPU larger ones exceed its cache (measured: ResNet-56 at
256 is never the fastest); a GPU is not busy with less."""
SECONDS = 4.0
"""About how long the turns take, once each candidate has been tried."""
TURNS = 12
LONGEST_SECONDS, LONGEST_SHARE = 15.0, 0.02
"""After these, or this share of the time that plain fp32 would take, no more is tried."""
SLOW = 0.8
"""A candidate that is slower than this share of the fastest takes no more turns."""
COMPILING_SAVES = 0.2
"""The share of the time that compiling is expected to save, when it is decided to try it."""
COMPILING_SECONDS = 60.0


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
    """The inference config with which ``network`` is fastest and faithful on ``pictures``.

    ``taps`` are asked for beside the logits; ``pictures`` uint8 [N, C, H, W] are some hundreds of
    those that the teacher will be asked for; ``temperature`` is that of the KL divergence that
    measures fidelity; ``cache`` is a folder for compiled code. ``network`` is left as it is.
    """
    usual = plain(threads)
    shape = (int(pictures.shape[1]), int(pictures.shape[2]), int(pictures.shape[3]))
    macs = costs(network, shape).macs
    if macs * samples_to_answer < WORTH_MACS:
        reason = f"{samples_to_answer} answers of {macs} multiplications each need no tuning"
        return Tuning(usual, None, None, (), reason)
    build = partial(Teacher, network, device=device, cache=cache)
    search = _Search(network, taps, build, pictures, device, usual, temperature, samples_to_answer)
    return search.run()


@dataclass
class _Trial:
    """A config that is tried, and the seconds of each pass (none if it does not run)."""

    inference: InferenceConfig
    taps: Sequence[Tap]
    teacher: Teacher | None = None
    passes: list[float] = field(default_factory=list)
    compile_seconds: float = 0.0
    near: Fidelity | None = None
    rejected: str = ""

    @property
    def rate(self) -> float:
        """Median samples/s."""
        return self.inference.forward_batch / statistics.median(self.passes)

    def answer(self, pictures: Tensor) -> Answer:
        assert self.teacher is not None
        return self.teacher.answer(pictures, self.taps)

    def time_pass(self, pictures: Tensor) -> None:
        """Times one forward pass, with its answers encoded."""
        count = self.inference.forward_batch
        inputs = pictures.repeat(-(-count // len(pictures)), 1, 1, 1)[:count]
        began = time.perf_counter()
        self.answer(inputs)
        self.passes.append(time.perf_counter() - began)

    def check(self, pictures: Tensor, reference: Answer, temperature: float) -> bool:
        """Whether it is faithful to ``reference``, the answer in plain fp32, and deterministic."""
        assert self.teacher is not None
        answer = self.answer(pictures)
        near = fidelity(decode(answer.logits), decode(reference.logits), temperature)
        self.near = near
        if not near.passes:
            self.rejected = (
                f"not faithful: mean KL and same argmax are {near.mean_kl:.1e} and "
                f"{near.same_argmax:.1%}, not {LARGEST_KL:g} and {SMALLEST_AGREEMENT:.1%}"
            )
        elif not is_batch_invariant(self.teacher, pictures, answer):
            self.rejected = "the bits of an answer depend on the other samples of its batch"
        return not self.rejected

    def to_candidate(self, chosen: _Trial) -> Candidate:
        rejected = self.rejected
        if self.passes and self is not chosen and not rejected:
            rejected = "slower" if self.rate <= chosen.rate else "does not repay what it costs"
        return Candidate(
            self.inference,
            self.rate if self.passes else None,
            self.near.mean_kl if self.near else None,
            self.near.same_argmax if self.near else None,
            rejected,
        )


@dataclass
class _Search:
    network: Network
    taps: Sequence[Tap]
    build: Callable[..., Teacher]
    pictures: Tensor
    device: str
    usual: InferenceConfig
    temperature: float
    samples: int
    trials: list[_Trial] = field(default_factory=list)
    began: float = field(default_factory=time.perf_counter)

    def run(self) -> Tuning:
        self._try([self.usual])
        first = self.trials[0]
        if not first.passes:
            return self._result(first, first, "plain fp32 itself does not answer")
        self._try(self._precisions_and_layouts())
        fastest = self._fastest().inference
        self._try(replace(fastest, forward_batch=n) for n in FORWARD_BATCHES[self.device])
        self._take_turns()
        seconds = self.samples / self._fastest().rate
        may_pay = seconds * COMPILING_SAVES > 2 * COMPILING_SECONDS
        if may_pay and can_compile(torch.device(self.device)):
            self._try([replace(self._fastest().inference, compiled=True)])
            self._take_turns()
        return self._choose(first)

    def _precisions_and_layouts(self) -> list[InferenceConfig]:
        """At the forward batch of plain fp32."""
        low = replace(self.usual, precision="bf16")
        if not any(isinstance(module, nn.Conv2d) for module in self.network.modules()):
            return [low]
        laid = {"channels_last": True, "folded": True}
        # Autocast alone does not pay for convolutions: it changes the layout of each picture
        # before and after every one of them.
        return [replace(self.usual, **laid), replace(low, **laid)]  # type: ignore[arg-type]

    def _try(self, inferences: Iterable[InferenceConfig]) -> None:
        """Builds a teacher for each config, unless the time is up, and takes a turn with it.

        Its first answer makes ready what later passes find ready.
        """
        for inference in inferences:
            if self.trials and time.perf_counter() > self._end():
                return
            self.trials.append(trial := _Trial(inference, self.taps))
            began = time.perf_counter()
            try:
                trial.teacher = self.build(inference=inference)
                trial.answer(self.pictures[:1])
            except NotNumbers as error:
                trial.rejected = str(error)
            except RuntimeError as error:  # also torch's own for what its compiler cannot do
                trial.rejected = f"does not run ({first_line(error)[:200]})"
            else:
                trial.compile_seconds = time.perf_counter() - began if inference.compiled else 0.0
                trial.time_pass(self.pictures)

    def _end(self) -> float:
        """When nothing more is tried: a network that takes minutes to try is worth them only if
        it has hours to answer."""
        plain_seconds = self.samples / self.trials[0].rate
        return self.began + max(LONGEST_SECONDS, LONGEST_SHARE * plain_seconds)

    def _running(self) -> list[_Trial]:
        return [each for each in self.trials if each.passes]

    def _fastest(self) -> _Trial:
        return max(self._running(), key=lambda each: each.rate)

    def _take_turns(self) -> None:
        """Times plain fp32, and every candidate that may still be the fastest, for some seconds."""
        end, least = time.perf_counter() + SECONDS, SLOW * self._fastest().rate
        racing = [e for e in self._running() if e.inference == self.usual or e.rate >= least]
        for turn in range(TURNS):
            for trial in racing:
                trial.time_pass(self.pictures)
            if turn >= 1 and time.perf_counter() > end:
                return

    def _choose(self, first: _Trial) -> Tuning:
        def seconds(trial: _Trial) -> float:  # Every replica compiles for itself.
            return self.samples / trial.rate + trial.compile_seconds

        reference = first.answer(self.pictures)
        for trial in sorted(self._running(), key=seconds):
            if trial is first or trial.rate < WORTH_GAIN * first.rate:
                break
            if trial.check(self.pictures, reference, self.temperature):
                return self._result(trial, first, "the fastest that is faithful")
        return self._result(first, first, f"nothing faithful is {WORTH_GAIN:g} times as fast")

    def _result(self, chosen: _Trial, first: _Trial, reason: str) -> Tuning:
        return Tuning(
            chosen.inference,
            first.rate if first.passes else None,
            chosen.rate if chosen.passes else None,
            tuple(each.to_candidate(chosen) for each in self.trials),
            reason,
        )


def is_batch_invariant(teacher: Teacher, pictures: Tensor, answer: Answer) -> bool:
    """Whether ``answer``, to ``pictures``, is the same in another order and a smaller batch."""
    backward = np.arange(len(pictures))[::-1].copy()
    few = backward[: max(1, min(len(backward), teacher.inference.forward_batch) // 3)]
    return all(
        np.array_equal(
            teacher.answer(pictures[torch.from_numpy(places)]).logits, answer.logits[places]
        )
        for places in (backward, few)
    )
