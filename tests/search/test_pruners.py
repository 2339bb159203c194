"""Whether a trial goes on follows from finished trials of earlier batches alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from search.config import SearchConfig
from search.proposals import Proposer
from search.pruners import Pruning
from search.trials import FinishedTrial, Result, StudySpec, finish, mean_scores
from tests.search.objectives import EPOCHS, OnSeeds, Quadratic, config, run

BOTH = {"accuracy": "maximize", "parameters": "minimize"}


def known(
    section: SearchConfig, number: int, accuracies: list[float], parameters: float = 100.0
) -> FinishedTrial:
    curve = {epoch: {"accuracy": a, "nll": 1.0} for epoch, a in enumerate(accuracies, 1)}
    scores = {"accuracy": accuracies[-1], "nll": 1.0, "parameters": parameters}
    proposal = create_trial(state=TrialState.RUNNING, user_attrs={"overrides": {}})
    return finish(section, number, proposal, Result(TrialState.COMPLETE, scores, curve))


def pruning(
    section: SearchConfig, finished: list[FinishedTrial], steps: int = EPOCHS, **costs: float
) -> Pruning:
    spec, number = StudySpec("study", section, 7, EPOCHS), len(finished)
    [proposal] = Proposer(spec).propose(finished, [number])
    return Pruning(spec, finished, number, proposal, costs, steps)


def after(accuracy: float) -> Mapping[str, float]:
    return {"accuracy": accuracy, "nll": 1.0}


def dominated(by: int = 2, warmup: int = 1) -> SearchConfig:
    rule = {"kind": "dominated", "by": by, "warmup_epochs": warmup}
    return config(scores=BOTH, pruner=rule)


def test_a_trial_that_enough_others_dominate_at_the_same_epoch_ends() -> None:
    section = dominated()
    before = [known(section, n, [0.1, 0.5, 0.6, 0.7, 0.8]) for n in range(2)]
    own = pruning(section, before, parameters=200.0)
    assert own.reason_to_end(1, after(0.0)) is None, "warm-up"
    reason = own.reason_to_end(2, after(0.4))
    assert reason == "dominated after epoch 2 by 2 finished trials (0, 1 among them)"


@pytest.mark.parametrize(
    ("accuracy", "parameters", "finished"),
    [(0.4, 50.0, 2), (0.6, 200.0, 2), (0.4, 200.0, 1), (0.5, 100.0, 2)],
    ids=["smaller", "better", "by one alone", "equal to both"],
)
def test_it_goes_on_where_too_few_dominate_it(
    accuracy: float, parameters: float, finished: int
) -> None:
    section = dominated()
    before = [known(section, n, [0.1, 0.5, 0.6, 0.7, 0.8]) for n in range(finished)]
    own = pruning(section, before, parameters=parameters)
    assert own.reason_to_end(2, after(accuracy)) is None


def test_after_its_own_last_epoch_nothing_ends_it() -> None:
    """Also where a trial has fewer epochs than others."""
    section = dominated(by=1)
    before = [known(section, 0, [0.1, 0.5, 0.6, 0.7, 0.8])]
    shorter = pruning(section, before, steps=3, parameters=200.0)
    assert shorter.reason_to_end(3, after(0.0)) is None
    longer = pruning(section, before, parameters=200.0)
    assert longer.reason_to_end(3, after(0.0)) is not None


@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_the_decision_is_the_same_when_it_is_made_again(pruner: str) -> None:
    section = config(pruner={"kind": pruner}, scores={"accuracy": "maximize"})
    before = [known(section, n, [0.1 * n, 0.5, 0.6, 0.7, 0.8]) for n in range(6)]

    def decisions() -> list[Any]:
        own = pruning(section, before)
        return [own.reason_to_end(epoch, after(0.05)) for epoch in range(1, EPOCHS + 1)]

    first = decisions()
    assert first == decisions()
    assert first[-1] is None
    if pruner == "median":
        assert first[0] == "median after epoch 1"


def test_wilcoxon_ends_the_trials_that_a_plain_study_of_optuna_ends() -> None:
    seeds, trials = range(1, OnSeeds.seeds + 1), 15
    rule = {"kind": "wilcoxon", "seeds": len(seeds), "startup_seeds": 5}
    section = config(pruner=rule, scores={"accuracy": "maximize"})
    spec, finished = StudySpec("study", section, 7, len(seeds)), list[FinishedTrial]()
    values = [
        [OnSeeds.score(7 * n % trials / trials, seed) for seed in seeds] for n in range(trials)
    ]
    for number, scores in enumerate(values):
        proposal = create_trial(state=TrialState.RUNNING, user_attrs={"overrides": {}})
        own = Pruning(spec, finished, number, proposal, {}, len(seeds))
        reasons = [own.reason_to_end(seed, scores[seed - 1]) for seed in seeds]
        last = next((seed for seed in seeds if reasons[seed - 1]), len(seeds))
        state = TrialState.COMPLETE if reasons == [None] * len(seeds) else TrialState.PRUNED
        assert state is TrialState.COMPLETE or reasons[last - 1] == f"wilcoxon after seed {last}"
        curve = dict(zip(seeds, scores[:last], strict=False))
        result = Result(state, mean_scores(curve.values()), curve)
        finished.append(finish(section, number, proposal, result))

    def evaluate(trial: optuna.Trial) -> float:
        found = [scores["accuracy"] for scores in values[trial.number]]
        for seed in seeds:
            trial.report(found[seed - 1], seed)
            if seed < len(seeds) and trial.should_prune():
                raise optuna.TrialPruned
        return fmean(found)

    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        pruner = optuna.pruners.WilcoxonPruner(p_threshold=0.1, n_startup_steps=5)
    plain = optuna.create_study(direction="maximize", pruner=pruner)
    plain.optimize(evaluate, trials)
    assert [(each.result.state, each.frozen.intermediate_values) for each in finished] == [
        (each.state, each.intermediate_values) for each in plain.trials
    ]
    assert {len(each.result.curve) for each in finished} >= {5, 6, 8}


def test_hyperband_ends_trials_by_the_rungs_of_earlier_ones(tmp_path: Path) -> None:
    section = config(pruner="hyperband", scores={"accuracy": "maximize"}, trials=24)
    trials = run(tmp_path / "study.db", section, Quadratic())
    pruned = [trial for trial in trials if trial.result.state is TrialState.PRUNED]
    assert pruned
    assert all(trial.result.rungs for trial in pruned)
    assert {str(trial.result.reason).rpartition(" ")[0] for trial in pruned} == {
        "hyperband after epoch"
    }
