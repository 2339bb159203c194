"""The front that grows with each finished trial is Optuna's."""

from __future__ import annotations

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState, create_trial

from search.front import extend_front, front_of
from search.trials import OVERRIDES, FinishedTrial, Result, finish
from tests.search.objectives import config

TRIAL = st.tuples(st.integers(0, 4), st.integers(1, 5), st.sampled_from(["COMPLETE", "PRUNED"]))


@pytest.mark.parametrize("scores", [{"accuracy": "maximize"}, {"nll": "minimize"}, None], ids=str)
@settings(max_examples=40, deadline=None, database=None)
@given(st.lists(TRIAL, max_size=12))
def test_the_front_is_optunas(
    scores: dict[str, str] | None, drawn: list[tuple[int, int, str]]
) -> None:
    both = {"accuracy": "maximize", "parameters": "minimize"}
    section = config(scores=scores or both, limits={"parameters": 4.0})
    study = optuna.create_study(directions=list(section.scores.values()))
    proposal = create_trial(state=TrialState.RUNNING, user_attrs={OVERRIDES: {}})
    known, grown = list[FinishedTrial](), list[FinishedTrial]()
    for number, (accuracy, parameters, state) in enumerate(drawn):
        values = {"accuracy": accuracy / 4, "nll": accuracy / 4, "parameters": float(parameters)}
        known.append(finish(section, number, proposal, Result(TrialState[state], values)))
        grown = extend_front(section, grown, known[-1])
        study.add_trial(known[-1].frozen)
    expected = sorted(trial.number for trial in study.best_trials)
    if scores is not None:
        expected = expected[:1]
    assert [trial.number for trial in grown] == expected
    assert front_of(section, known) == grown
