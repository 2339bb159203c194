"""Proposals follow from finished trials alone, whichever process makes them."""

from __future__ import annotations

from typing import Any

import pytest
from optuna.trial import FrozenTrial, TrialState

from search.config import SearchConfig
from search.proposals import Proposer
from search.trials import OVERRIDES, FinishedTrial, Result, StudySpec, finish
from tests.search.objectives import EPOCHS, config

ACCURACY = {"accuracy": "maximize"}
BOTH = {"accuracy": "maximize", "parameters": "minimize"}
SPACE = {
    "x": {"float": [0.0, 1.0], "step": 0.1},
    "w": {"int": [1, 5]},
    "c": {"choice": {"one": 1, "many": [{"int": [1, 4]}]}},
}
TRIALS = 24
BATCH = 3


def finished(section: SearchConfig, number: int, proposal: FrozenTrial) -> FinishedTrial:
    """Every fifth trial is pruned, every seventh fails."""
    drawn = proposal.user_attrs[OVERRIDES]
    scores = {"accuracy": 1.0 - (drawn["x"] - 0.3) ** 2, "parameters": 10.0 * drawn["w"]}
    curve = {epoch: {"accuracy": scores["accuracy"] * epoch} for epoch in (1, 2)}
    state = TrialState.COMPLETE
    if number % 7 == 6:
        state = TrialState.FAIL
    elif number % 5 == 4:
        state = TrialState.PRUNED
    return finish(section, number, proposal, Result(state, scores, curve))


def plain(proposals: list[FrozenTrial]) -> list[Any]:
    return [(each.params, each.system_attrs, each.user_attrs) for each in proposals]


@pytest.mark.parametrize("scores", [ACCURACY, BOTH], ids=["one score", "two"])
@pytest.mark.parametrize(
    "sampler",
    [
        {"kind": "tpe", "startup_trials": 4},
        {"kind": "nsga2", "population": 4},
        "random",
        "grid",
        "brute_force",
        pytest.param({"kind": "gp", "startup_trials": 4}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_a_process_that_goes_on_proposes_what_a_new_one_would(
    sampler: Any, scores: dict[str, str]
) -> None:
    space = {name: each for name, each in SPACE.items() if sampler != "grid" or name != "c"}
    section = config(sampler=sampler, scores=scores, space=space, limits={"parameters": 40.0})
    spec = StudySpec("study", section, 7, EPOCHS, own={"x": 0.3, "w": 2, "c": "one"})
    if sampler == "grid":
        spec = StudySpec("study", section, 7, EPOCHS, own={"x": 0.3, "w": 2})
    going_on, known = Proposer(spec), list[FinishedTrial]()
    for first in range(0, TRIALS if "gp" not in str(sampler) else 9, BATCH):
        numbers = range(first, first + BATCH)
        batch = going_on.propose(known, numbers)
        assert plain(batch) == plain(Proposer(spec).propose(known, numbers))
        known += [finished(section, *pair) for pair in zip(numbers, batch, strict=False)]


def test_trials_that_were_pruned_after_some_seeds_are_ranked_by_their_means() -> None:
    """What the last seed alone says, and in which order the seeds were, changes no proposal."""
    rule = {"kind": "wilcoxon", "seeds": 5}
    section = config(sampler={"kind": "tpe", "startup_trials": 4}, scores=ACCURACY, pruner=rule)
    spec = StudySpec("study", section, 7, 5)

    def proposed(*order: int, going_on: bool) -> list[Any]:
        proposer, known = Proposer(spec), list[FinishedTrial]()
        for first in range(0, TRIALS, BATCH):
            numbers = range(first, first + BATCH)
            batch = (proposer if going_on else Proposer(spec)).propose(known, numbers)
            for number, each in zip(numbers, batch, strict=True):
                # Those that are best on the mean are worst on the third seed.
                of_seeds = [1.0, each.params["x"], -2.0 * each.params["x"]]
                curve = {step: {"accuracy": of_seeds[at]} for step, at in enumerate(order, 1)}
                result = Result(TrialState.PRUNED, curve[3], curve)
                known.append(finish(section, number, each, result))
        return [each.frozen.params for each in known]

    same = proposed(0, 1, 2, going_on=True)
    assert proposed(1, 2, 0, going_on=True) == same
    assert proposed(0, 1, 2, going_on=False) == same
