"""Whether a trial is worth its remaining steps, from finished trials of earlier batches alone.

So the decision is the same whatever runs beside it, and when the study is run again.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.config import Dominated, Hyperband, Median, NoPruner, SearchConfig, Wilcoxon
from search.front import dominates
from search.trials import FinishedTrial, StudySpec


def build_pruner(config: SearchConfig, steps: int) -> BasePruner | None:
    """Optuna's pruner of the section, for trials of up to ``steps``; none where it has none."""
    match config.pruner:
        case Hyperband(min_epochs=least, reduction=reduction):
            return optuna.pruners.HyperbandPruner(least, steps, reduction)
        case Median(startup_trials=startup, warmup_epochs=warmup):
            return optuna.pruners.MedianPruner(startup, warmup)
        case Wilcoxon(p=p, startup_seeds=startup):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                return optuna.pruners.WilcoxonPruner(p_threshold=p, n_startup_steps=startup)
        case NoPruner() | Dominated():
            return None


@dataclass
class Pruning:
    """Decides after each step of a trial whether it goes on.

    ``known`` are the finished trials of earlier batches, ``number`` is its own, ``costs`` are its
    scores that do not change, and ``steps`` are those of its training.
    """

    spec: StudySpec
    known: Sequence[FinishedTrial]
    number: int
    proposal: FrozenTrial
    costs: Mapping[str, float]
    steps: int
    _trial: optuna.Trial | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        config = self.spec.config
        pruner = build_pruner(config, self.spec.steps)
        if pruner is None:
            return
        direction = next(iter(config.scores.values()))
        study = optuna.create_study(study_name=self.spec.name, direction=direction, pruner=pruner)
        study.add_trials([each.frozen for each in self.known])
        # Hyperband's bracket follows from the number: what is under way beside it counts, no more.
        beside = self.number - len(self.known)
        study.add_trials([create_trial(state=TrialState.FAIL) for _ in range(beside)])
        study.add_trial(self.proposal)
        own = study.get_trials(deepcopy=False)[-1]
        self._trial = optuna.Trial(study, own._trial_id)

    def reason_to_end(self, step: int, scores: Mapping[str, float]) -> str | None:
        """Why the trial is to end after ``step``, with ``scores`` then; none if it is to go on."""
        if step >= self.steps:
            return None
        if self._trial is not None:
            name = next(iter(self.spec.config.scores))
            self._trial.report(scores[name], step)
            if self._trial.should_prune():
                return f"{self.spec.config.pruner.kind} after {self.spec.config.step} {step}"
        elif isinstance(self.spec.config.pruner, Dominated):
            return self._dominated(self.spec.config.pruner, step, scores)
        return None

    @property
    def rungs(self) -> dict[str, Any]:
        """What the pruner has recorded with the trial, for later ones."""
        if self._trial is None:
            return {}
        recorded = self._trial.study.get_trials(deepcopy=False)[-1].system_attrs
        return {
            name: value for name, value in recorded.items() if name.startswith("completed_rung")
        }

    def _dominated(self, rule: Dominated, epoch: int, scores: Mapping[str, float]) -> str | None:
        if epoch <= rule.warmup_epochs:
            return None
        signed = self.spec.config.signed
        own = signed({**self.costs, **scores})
        better = [
            each.number
            for each in self.known
            if each.result.state is TrialState.COMPLETE
            and epoch in each.result.curve
            and dominates(signed({**each.result.scores, **each.result.curve[epoch]}), own)
        ]
        if len(better) < rule.by:
            return None
        shown = ", ".join(map(str, better[: rule.by]))
        return (
            f"dominated after epoch {epoch} by {len(better)} finished trials ({shown} among them)"
        )
