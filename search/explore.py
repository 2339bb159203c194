"""Explores a space in batches: proposes, checks, has trials evaluated, learns from their scores.

Proposals and decisions follow from finished trials of earlier batches alone, which are taken in the
order of their numbers. So a study that was killed at any moment, and is run again, has the history
of an undisturbed one.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from optuna.trial import FrozenTrial, TrialState

from search.config import LEARNED, SearchConfig, constraints
from search.errors import StudyError, TrialFailed, TrialPruned
from search.proposals import Proposer
from search.pruners import Pruning
from search.study import StoredStudy
from search.trials import OVERRIDES, FinishedTrial, Result, StudySpec, finish, mean_scores

_SECONDS_BETWEEN_LOOKS = 0.2
_MOST_ALIKE = 3
"""Failures in a row with one cause that end a study."""

Overrides = Mapping[str, Any]
Observer = Callable[[int, Mapping[str, float]], None]
"""Is given the scores after each step, the first one 1; raises ``TrialPruned`` to end it."""


@dataclass(frozen=True)
class TrialCheck:
    """What is known of a student before it is trained: why it is refused, or what it costs and for
    how many ``steps`` it is trained (none where that is not known yet); what else is stored with
    the trial, as plain data; and a ``plan`` that its training is given back."""

    problems: tuple[str, ...] = ()
    costs: Mapping[str, float] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)
    steps: int | None = None
    plan: Any = None


class Objective(Protocol):
    """What a study asks of its caller, which trains."""

    def check(self, overrides: Overrides) -> TrialCheck:
        """Checks a student without training it; is called while none is trained."""

    def evaluate(
        self, number: int, overrides: Overrides, observe: Observer, plan: Any
    ) -> Mapping[str, float]:
        """Trains a student and gives its scores; what ``observe`` raises ends it. ``plan`` is that
        of its check.

        Raises:
            TrialFailed: it cannot be trained to its end.
            Exception: anything else ends the study.
        """

    def cancel(self) -> None:
        """Ends what is evaluated now, which raises ``KeyboardInterrupt`` there."""


class StudyWatcher:
    """Receives what happens in a study, ``on_begin`` and ``on_step`` from several threads; what it
    does not override, it ignores."""

    def on_begin(self, number: int, steps: int) -> None:
        """A trial of up to so many steps is under way."""

    def on_step(self, number: int, step: int, scores: Mapping[str, float]) -> None:
        """A trial has finished a step: an epoch or a seed."""

    def on_finish(self, trial: FinishedTrial) -> None:
        """A trial is finished; they come in the order of their numbers."""


def explore(
    spec: StudySpec, stored: StoredStudy, objective: Objective, watcher: StudyWatcher
) -> list[FinishedTrial]:
    """Runs what is left of a study; gives all its trials.

    Raises:
        StudyError: three trials in a row have failed with one cause.
        KeyboardInterrupt: it was interrupted; trials under way go on when it is run again.
    """
    known, size, proposer = stored.known(), spec.config.parallel, Proposer(spec)
    for trial in known:
        watcher.on_finish(trial)
    while len(known) < spec.config.trials:
        first = len(known) // size * size
        numbers = range(first, min(first + size, spec.config.trials))
        earlier = known[:first]
        proposals = dict(zip(numbers, proposer.propose(earlier, numbers), strict=False))
        left = {number: each for number, each in proposals.items() if number >= len(known)}
        if not left:
            break
        stored.begin(proposals)
        for number, result in _Batch(spec, stored, objective, watcher, earlier).run(left):
            stored.finish(number, result)
            known.append(finish(spec.config, number, left[number], result))
            watcher.on_finish(known[-1])
            _refuse_repeated_failure(known)
    return known


@dataclass(frozen=True)
class _Batch:
    spec: StudySpec
    stored: StoredStudy
    objective: Objective
    watcher: StudyWatcher
    earlier: list[FinishedTrial]

    def run(self, proposals: Mapping[int, FrozenTrial]) -> Iterator[tuple[int, Result]]:
        """The results of the trials, in order; each as soon as those before it have theirs."""
        checked = {
            number: self.objective.check(each.user_attrs[OVERRIDES])
            for number, each in proposals.items()
        }
        refused = {number: self._refusal(each) for number, each in checked.items()}
        threads = ThreadPoolExecutor(self.spec.config.parallel, "trial")
        futures: dict[int, Future[Result]] = {
            number: threads.submit(
                self._evaluate,
                number,
                checked[number],
                self._pruning(number, each, checked[number]),
            )
            for number, each in proposals.items()
            if refused[number] is None
        }
        try:
            for number in proposals:
                yield number, refused[number] or _wait_for(futures[number])
        except BaseException:  # Also where the study ends before the next one is asked for.
            self.objective.cancel()
            raise
        finally:
            threads.shutdown(cancel_futures=True)

    def _pruning(self, number: int, proposal: FrozenTrial, check: TrialCheck) -> Pruning:
        # Not in the trial's thread: that Optuna's warnings are ignored meanwhile holds for all.
        steps = check.steps or self.spec.steps
        return Pruning(self.spec, self.earlier, number, proposal, check.costs, steps)

    def _refusal(self, checked: TrialCheck) -> Result | None:
        """What comes of a trial that is not worth a second of training; none if it is."""
        if checked.problems:
            return Result(TrialState.FAIL, checked.costs, reason="; ".join(checked.problems))
        if broken := _broken_limits(self.spec.config, checked.costs):
            # Known to the sampler as pruned and by how much the limit is broken: it learns of that.
            return Result(TrialState.PRUNED, checked.costs, reason=broken)
        return None

    def _evaluate(self, number: int, check: TrialCheck, pruning: Pruning) -> Result:
        spec, overrides, costs = self.spec, pruning.proposal.user_attrs[OVERRIDES], check.costs
        curve: dict[int, Mapping[str, float]] = {}
        single = spec.config.single_score
        ended: list[TrialPruned] = []

        def observe(step: int, scores: Mapping[str, float]) -> None:
            if ended:
                raise ended[0]
            if step in curve:
                return
            curve[step] = dict(scores)
            self.watcher.on_step(number, step, scores)
            if single in LEARNED:
                self.stored.report(number, step, scores[single])
            if (reason := pruning.reason_to_end(step, scores)) is not None:
                ended.append(TrialPruned(reason))
                raise ended[0]

        self.watcher.on_begin(number, pruning.steps)
        began = time.monotonic()
        try:
            scores = self.objective.evaluate(number, overrides, observe, check.plan)
            scores = {**costs, **scores}
            broken = _broken_limits(spec.config, scores)
            result = Result(TrialState.COMPLETE, scores, curve, reason=broken)
        except TrialPruned as pruned:
            scores = (
                curve[max(curve)] if spec.config.step == "epoch" else mean_scores(curve.values())
            )
            result = Result(TrialState.PRUNED, {**costs, **scores}, curve, reason=str(pruned))
        except TrialFailed as failed:
            result = Result(TrialState.FAIL, costs, curve, reason=str(failed))
        seconds = time.monotonic() - began
        return replace(result, seconds=seconds, rungs=pruning.rungs, record=check.record)


def _broken_limits(config: SearchConfig, scores: Mapping[str, float]) -> str | None:
    """Which limits ``scores`` break, in words; none if they break none."""
    excess = constraints(config.limits, scores)
    broken = (
        f"{name} {scores[name]:,.6g} is {'below' if name == 'accuracy' else 'above'} the limit "
        f"{limit:,.6g}"
        for name, limit in config.limits.items()
        if excess.get(name, 0.0) > 0
    )
    return "; ".join(broken) or None


def _wait_for(future: Future[Result]) -> Result:
    # In short waits: a signal that another thread receives does not end one without a limit.
    while not future.done():
        wait([future], _SECONDS_BETWEEN_LOOKS)
    return future.result()


def _refuse_repeated_failure(known: list[FinishedTrial]) -> None:
    last = [each.result for each in known[-_MOST_ALIKE:]]
    # What was refused before it was trained took no time, and says nothing about the next one.
    failed = [each for each in last if each.state is TrialState.FAIL and each.seconds > 0]
    if len(failed) < _MOST_ALIKE:
        return
    # Numbers and names differ from trial to trial; what is left is the cause.
    causes = {re.sub(r"'[^']*'|[\d.e+-]+", "", each.reason or "") for each in failed}
    if len(causes) == 1:
        raise StudyError(
            f"three trials in a row have failed with one cause ({failed[-1].reason}); correct that "
            "and run the same command again, which goes on with the next trial"
        )
