"""The front that grows with each finished trial is Optuna's."""

from __future__ import annotations

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.front import extend_front, front_of
from search.trials import OVERRIDES, FinishedTrial, Result, finish
from tests.search.objectives import config

TRIAL = st.tuples(st.integers(0, 4), st.integers(1, 5), st.sampled_from(["COMPLETE", "PRUNED"]))


def proposal(x: float) -> FrozenTrial:
    return create_trial(
        state=TrialState.RUNNING,
        params={"x": x},
        distributions={"x": optuna.distributions.FloatDistribution(0.0, 20.0)},
        user_attrs={OVERRIDES: {"x": x}},
    )


@pytest.mark.parametrize("scores", [{"accuracy": "maximize"}, {"nll": "minimize"}, None], ids=str)
@settings(max_examples=40, deadline=None, database=None)
@given(st.lists(TRIAL, max_size=12))
def test_the_front_is_optunas(
    scores: dict[str, str] | None, drawn: list[tuple[int, int, str]]
) -> None:
    both = {"accuracy": "maximize", "parameters": "minimize"}
    section = config(scores=scores or both, limits={"parameters": 4.0})
    study = optuna.create_study(directions=list(section.scores.values()))
    known, grown = list[FinishedTrial](), list[FinishedTrial]()
    for number, (accuracy, parameters, state) in enumerate(drawn):
        values = {"accuracy": accuracy / 4, "nll": accuracy / 4, "parameters": float(parameters)}
        known.append(finish(section, number, proposal(number), Result(TrialState[state], values)))
        grown = extend_front(section, grown, known[-1])
        study.add_trial(known[-1].frozen)
    expected = sorted(trial.number for trial in study.best_trials)
    if scores is not None:
        expected = expected[:1]
    assert [trial.number for trial in grown] == expected
    assert front_of(section, known) == grown


def test_a_student_that_is_drawn_again_is_one_point_of_the_front() -> None:
    section = config(scores={"accuracy": "maximize", "parameters": "minimize"})
    equal = Result(TrialState.COMPLETE, {"accuracy": 0.9, "parameters": 100.0})
    known = [finish(section, n, proposal(x), equal) for n, x in enumerate([1.0, 2.0, 1.0])]
    assert [trial.number for trial in front_of(section, known)] == [0, 1]
