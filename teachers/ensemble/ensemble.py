"""An ensemble: combines the answers of K teachers to one micro-batch into knowledge.

B batch, C classes, K teachers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from students.knowledge import Answer, Knowledge, Question
from teachers.ensemble.noise import Noise
from teachers.inference.answer_encoding import decode
from teachers.weighting.rule import RuleContext, WeightingRule


@dataclass(frozen=True)
class Ensemble:
    """K teachers, by name, in the order in which knowledge holds their logits.

    ``seed`` is for rules and noise that draw; ``labels`` int64 by sample id, those that the
    student is given and -1 elsewhere, for rules that need them. ``class_maps``: the classes
    that a teacher covers, by its name, where these are not all.
    """

    names: tuple[str, ...]
    classes: int
    weighting: WeightingRule
    noise: Noise | None = None
    seed: int = 0
    labels: npt.NDArray[np.int64] | None = None
    class_maps: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def members(self) -> tuple[str, ...]:
        """Whose logits knowledge holds, in order: the teachers, or the virtual ones made of one."""
        if self.noise is None or self.noise.virtual == 1:
            return self.names
        return tuple(f"{name}~{n + 1}" for name in self.names for n in range(self.noise.virtual))

    def combine_answers(self, question: Question, answers: Sequence[Answer]) -> Knowledge:
        """Knowledge from one answer [B, C] of each teacher, in the order of ``names``.

        Noise is on the logits alone: weights and fallback labels follow from the answers without
        it.
        """
        # In one thread: a student's threads would wait for each other longer than this takes.
        logits = decode(np.stack([answer.logits for answer in answers]))
        taps = {
            name: {tap: decode(values) for tap, values in answer.taps.items()}
            for name, answer in zip(self.names, answers, strict=True)
        }
        if self.noise is None:
            return self.combine(question, logits, taps)
        noised = self.noise.apply(logits, question, self.names, self.seed)
        knowledge = self.combine(question, noised, taps)
        if not self.weighting.reads_answers:
            return knowledge
        # By noisy answers a rule would select the extremes of the noise, which shifts the mean
        # target (measured under `max_entropy`: up to 1.9 in a logit).
        plain = self.combine(question, logits.repeat_interleave(self.noise.virtual, dim=0))
        weights, fallback = plain.weights, plain.fallback_labels
        return replace(knowledge, weights=weights, fallback_labels=fallback)

    def combine(
        self,
        question: Question,
        logits: Tensor,
        taps: Mapping[str, Mapping[str, Tensor]] = MappingProxyType({}),
    ) -> Knowledge:
        """Knowledge from the logits [K, B, C] of members all of whom are present."""
        knowledge = Knowledge(
            logits=logits,
            known=self._known,
            present=torch.ones(logits.shape[:2], dtype=torch.bool),
            weights=None,
            taps=taps,
        )
        labels = None
        if self.labels is not None:
            labels = torch.from_numpy(self.labels[question.sample_ids])
        context = RuleContext(self.members, self.seed, question, labels)
        return self.weighting.weigh(knowledge, context)

    @cached_property
    def _known(self) -> Tensor:
        known = torch.ones(len(self.names), self.classes, dtype=torch.bool)
        for row, name in enumerate(self.names):
            if name in self.class_maps:
                known[row] = False
                known[row, list(self.class_maps[name])] = True
        return known.repeat_interleave(len(self.members) // len(self.names), dim=0)
