"""A study under way: a live table on a terminal, a line a trial elsewhere."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from orchestrator.studies.study_progress import StudyProgress
from search.trials import FinishedTrial, StudySpec
from tests.search.objectives import EPOCHS, Quadratic, config, run


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> list[FinishedTrial]:
    folder: Path = tmp_path_factory.mktemp("study")
    return run(folder / "study.db", config(trials=3), Quadratic())


def shown(trials: list[FinishedTrial], *, terminal: bool) -> tuple[str, str]:
    """What is shown while a fourth trial is under way; and when the study is done."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=100, height=40)
    spec = StudySpec("digits-2", config(trials=4), 7, EPOCHS)
    with StudyProgress(console, spec) as progress:
        for trial in trials:
            progress.on_finish(trial)
        progress.on_begin(3, {})
        progress.on_step(3, 2, {"accuracy": 0.875, "nll": 0.5})
        console.print(progress._render())
        under_way = stream.getvalue()
        progress.on_winner(trials[0])
    return under_way, stream.getvalue()


def test_a_terminal_shows_the_best_first_and_a_bar_for_what_is_under_way(
    trials: list[FinishedTrial],
) -> None:
    under_way, _ = shown(trials, terminal=True)
    assert "digits-2: 3 of 4 trials" in under_way
    best = max(trials, key=lambda trial: trial.result.scores["accuracy"])
    table = under_way[under_way.rindex("accuracy, %") :].splitlines()
    assert table[1].split()[0].endswith(str(best.number))
    assert "epoch 2 of 5, validation 87.5%" in under_way


def test_a_step_of_a_trial_on_several_seeds_is_a_seed() -> None:
    console = Console(file=io.StringIO(), width=100)
    section = config(pruner={"kind": "wilcoxon"}, scores={"accuracy": "maximize"})
    progress = StudyProgress(console, StudySpec("digits", section, 7, section.seeds))
    progress.on_step(3, 2, {"accuracy": 0.875, "nll": 0.5})
    console.print(progress._render())
    assert "seed 2 of 5, validation 87.5%" in console.file.getvalue()  # type: ignore[attr-defined]


def test_elsewhere_each_trial_is_a_line(trials: list[FinishedTrial]) -> None:
    _, whole = shown(trials, terminal=False)
    assert "trial 0 (1 of 4): " in whole
    assert "trial 2 (3 of 4): " in whole
    assert "winner 0: trained on fresh seeds" in whole
