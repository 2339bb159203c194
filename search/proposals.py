"""Proposes trials from finished ones of earlier batches alone, the same each time."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from copy import copy
from statistics import fmean
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.config import BruteForce, Grid
from search.samplers import build_sampler, grid_points
from search.space import count_points, draw
from search.trials import OVERRIDES, FinishedTrial, StudySpec


class Proposer:
    """Proposes the batches of a study, in their order, in a study in memory that grows with them.

    That one has what a new one would have: so another process, which goes on, proposes the same.
    """

    def __init__(self, spec: StudySpec) -> None:
        self._spec = spec
        self._storage = optuna.storages.InMemoryStorage()
        self._study = optuna.create_study(
            storage=self._storage,
            study_name=spec.name,
            directions=list(spec.config.scores.values()),
            pruner=optuna.pruners.NopPruner(),
        )
        self._study.add_trials(spec.foreign)
        self._asked: dict[int, int] = {}
        """The ids of trials that are proposed, by number, until they are finished."""
        self._finished = 0
        self._grid = _grid(spec) if isinstance(spec.config.sampler, Grid) else ()

    def propose(self, known: Sequence[FinishedTrial], numbers: Sequence[int]) -> list[FrozenTrial]:
        """The trials ``numbers`` of one batch, from ``known`` ones, all that are finished of
        earlier batches. Fewer, where the space has no more points."""
        for each in known[self._finished :]:
            self._add(each)
        self._finished = len(known)
        self._forget()
        config = self._spec.config
        self._study.sampler = build_sampler(config, self._seed(numbers[0]))
        proposals: list[FrozenTrial] = []
        for number in numbers:
            if self._is_exhausted(number):
                break
            if fixed := self._fixed(number):
                self._study.enqueue_trial(dict(fixed))
            trial = self._study.ask()
            overrides = draw(config.parameters, trial)
            self._asked[number] = trial._trial_id
            frozen = self._storage.get_trial(trial._trial_id)
            proposals.append(
                create_trial(
                    state=TrialState.RUNNING,
                    params=frozen.params,
                    distributions=frozen.distributions,
                    system_attrs=frozen.system_attrs,
                    user_attrs={OVERRIDES: overrides},
                )
            )
        return proposals

    def _add(self, trial: FinishedTrial) -> None:
        """Adds what came of a trial; only one that another process has proposed is copied."""
        asked, frozen = self._asked.pop(trial.number, None), self._as_sampled(trial.frozen)
        if asked is None:
            self._study.add_trial(frozen)
            return
        for step, value in frozen.intermediate_values.items():
            self._storage.set_trial_intermediate_value(asked, step, value)
        for name, attribute in frozen.system_attrs.items():
            self._storage.set_trial_system_attr(asked, name, attribute)
        # Not by `tell`, which gives a pruned trial a value that a copied one has not.
        self._storage.set_trial_state_values(asked, frozen.state, frozen.values)

    def _as_sampled(self, trial: FrozenTrial) -> FrozenTrial:
        """Of several seeds the mean so far, at the last one: by its last step TPE ranks a trial
        that was pruned."""
        values = trial.intermediate_values
        if self._spec.config.step == "epoch" or not values:
            return trial
        sampled = copy(trial)
        sampled.intermediate_values = {max(values): fmean(values.values())}
        return sampled

    def _forget(self) -> None:
        """Takes back what a sampler has kept with the study, which a new one has not."""
        study = self._storage.get_study_id_from_name(self._spec.name)
        for name in self._storage.get_study_system_attrs(study):
            self._storage.set_study_system_attr(study, name, None)

    def _seed(self, first: int) -> int:
        """Of the batch that begins with trial ``first``."""
        digest = hashlib.sha256(f"{self._spec.seed}:{first}".encode()).digest()
        return int.from_bytes(digest[:4], "big")

    def _fixed(self, number: int) -> Mapping[str, Any] | None:
        """What is drawn for a trial, where no sampler decides it."""
        if self._grid:
            return self._grid[number]
        return self._spec.own if number == 0 else None

    def _is_exhausted(self, number: int) -> bool:
        """Whether a sampler that takes each point once has taken all before trial ``number``."""
        if isinstance(self._spec.config.sampler, Grid):
            return number >= len(self._grid)
        if isinstance(self._spec.config.sampler, BruteForce):
            trials = self._study.get_trials(deepcopy=False)
            taken = {tuple(sorted(each.params.items())) for each in trials}
            return len(taken) >= count_points(self._spec.config.parameters)
        return False


def _grid(spec: StudySpec) -> Sequence[Mapping[str, Any]]:
    """All points that are not known from the start, the recipe's own first."""
    first = [] if spec.own is None else [dict(spec.own)]
    known = [*first, *(each.params for each in spec.foreign)]
    points = grid_points(spec.config.parameters, spec.seed)
    return [*first, *(each for each in points if each not in known)]
