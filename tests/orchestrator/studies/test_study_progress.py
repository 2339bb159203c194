"""A study under way: a live table on a terminal, a line a trial elsewhere."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from orchestrator.report.study_values import format_score
from orchestrator.studies.study_progress import StudyProgress, describe
from search.config import SearchConfig
from search.explore import TrialCheck
from search.front import front_of
from search.trials import FinishedTrial, StudySpec
from tests.search.objectives import EPOCHS, SPACE, Quadratic, config, run


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
        progress.on_begin(3, EPOCHS)
        progress.on_step(3, 2, {"accuracy": 0.875, "nll": 0.5})
        console.print(progress._render())
        under_way = stream.getvalue()
        progress.on_seed(0, 2, 6)
        console.print(progress._render())
        progress.on_winner(0)
    return Text.from_ansi(under_way).plain, Text.from_ansi(stream.getvalue()).plain


def test_a_terminal_shows_the_best_first_and_a_bar_for_what_is_under_way(
    trials: list[FinishedTrial],
) -> None:
    under_way, whole = shown(trials, terminal=True)
    assert re.search(r"study .*3/4 +trials", under_way)
    best = max(trials, key=lambda trial: trial.result.scores["accuracy"])
    table = under_way[under_way.rindex("accuracy, %") :].splitlines()
    assert table[1].split()[0].endswith(str(best.number))
    assert re.search(r"trial 3 .*2/5 +epochs .*validation 87.5%", under_way)
    assert re.search(r"winner 0 .*2/6 +seeds", whole)


def rendered(progress: StudyProgress) -> str:
    stream = io.StringIO()
    Console(file=stream, width=100).print(progress._render())
    return stream.getvalue()


def numbers_shown(section: SearchConfig, known: list[FinishedTrial]) -> set[int]:
    """The trials in the table when all ``known`` ones are finished."""
    progress = StudyProgress(Console(file=io.StringIO()), StudySpec("digits", section, 7, EPOCHS))
    for trial in known:
        progress.on_finish(trial)
    rows = [row.split() for row in rendered(progress).splitlines()]
    return {int(row[0]) for row in rows if row and row[0].isdigit()}


def test_a_step_of_a_trial_on_several_seeds_is_a_seed() -> None:
    section = config(pruner={"kind": "wilcoxon"}, scores={"accuracy": "maximize"})
    spec = StudySpec("digits", section, 7, section.seeds)
    progress = StudyProgress(Console(file=io.StringIO()), spec)
    progress.on_begin(3, section.seeds)
    progress.on_step(3, 2, {"accuracy": 0.875, "nll": 0.5})
    assert re.search(r"trial 3 .*2/5 +seeds", rendered(progress))


def test_what_breaks_a_limit_is_not_among_the_best(tmp_path: Path) -> None:
    section = config(trials=6, scores={"accuracy": "maximize"}, limits={"accuracy": 0.9})
    known = run(tmp_path / "study.db", section, Quadratic())
    numbers = numbers_shown(section, known)
    assert numbers == {each.number for each in known if each.result.scores["accuracy"] >= 0.9}
    assert 0 < len(numbers) < len(known)


def test_of_several_scores_the_front_is_shown(tmp_path: Path) -> None:
    section = config(trials=6, scores={"accuracy": "maximize", "parameters": "minimize"})
    known = run(tmp_path / "study.db", section, Quadratic())
    numbers = numbers_shown(section, known)
    assert numbers == {trial.number for trial in front_of(section, known)}
    assert len(numbers) < len(known)


def test_where_much_is_drawn_the_scores_are_whole(tmp_path: Path) -> None:
    space = {f"student.part{number}.value": SPACE["x"] for number in range(12)} | SPACE
    scores = {"accuracy": "maximize", "parameters": "minimize"}
    section = config(trials=2, space=space, scores=scores)
    known = run(tmp_path / "study.db", section, Quadratic())
    progress = StudyProgress(Console(file=io.StringIO()), StudySpec("digits", section, 7, EPOCHS))
    progress.on_finish(known[0])
    header, row = rendered(progress).splitlines()[1:3]
    assert header.split()[:4] == ["front", "accuracy,", "%", "parameters"]
    values = [format_score(name, known[0].result.scores[name]) for name in scores]
    assert row.split()[:3] == ["0", *values]
    assert row.rstrip().endswith("…")
    assert len(row) == 100


def test_elsewhere_each_trial_is_a_line(trials: list[FinishedTrial]) -> None:
    _, whole = shown(trials, terminal=False)
    assert "trial 0 (1 of 4): " in whole
    assert "trial 2 (3 of 4): " in whole
    assert "winner 0: trained on all its seeds" in whole


def test_a_trial_that_is_refused_has_its_reason_for_its_scores(tmp_path: Path) -> None:
    class Refused(Quadratic):
        def check(self, overrides: Mapping[str, Any]) -> TrialCheck:
            return TrialCheck(("`w` is too large",))

    [trial] = run(tmp_path / "study.db", config(trials=1), Refused())
    drawn = ", ".join(f"{name} {value:.3g}" for name, value in trial.frozen.params.items())
    assert describe(trial) == f"failed; `w` is too large; {drawn}"
    [pruned] = run(tmp_path / "other.db", config(trials=1, limits={"parameters": 1}), Quadratic())
    assert " parameters (parameters " in describe(pruned)
