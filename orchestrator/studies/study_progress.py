"""Shows a study while it runs: the best trials so far, and a bar for each that is under way."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from orchestrator.planning.stage import Stage
from orchestrator.report.study_values import (
    SCORE_NAMES,
    drawn_text,
    format_score,
    score_text,
    short_names,
)
from search.explore import StudyWatcher
from search.front import best_first, extend_front, is_eligible
from search.trials import FinishedTrial, StudySpec

_ROWS = 10
"""Finished trials that are shown at most."""


class StudyProgress(StudyWatcher):
    """A live table on a terminal; elsewhere a line for each trial that is finished."""

    def __init__(self, console: Console, spec: StudySpec) -> None:
        self._console = console
        self._spec = spec
        self._finished: list[FinishedTrial] = []
        self._front: list[FinishedTrial] = []
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[of]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
        )
        self._trials = self._bars.add_task("study", total=spec.config.trials, of="trials", note="")
        self._tasks: dict[int, TaskID] = {}
        self._lock = threading.RLock()
        self._screen = Live(console=console, get_renderable=self._render, refresh_per_second=4)

    def __enter__(self) -> StudyProgress:
        if self._console.is_terminal:
            self._screen.start()
        return self

    def __exit__(self, *raised: object) -> None:
        # Of a study that is done the report shows more.
        self._screen.transient = raised[0] is None
        if self._console.is_terminal:
            self._screen.stop()

    def say(self, line: str) -> None:
        """Prints a line, above the table."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def on_begin(self, number: int, steps: int) -> None:
        """A trial is under way."""
        self._begin(number, f"trial {number}", steps, f"{self._spec.config.step}s")

    def on_stage(self, number: int, stage: Stage) -> None:
        """Shows which stage of a trial begins: a teacher's, an assistant's, the student's."""
        self._update(number, note=f"stage {stage.title}")

    def on_step(self, number: int, step: int, scores: Mapping[str, float]) -> None:
        """Shows how far a trial is."""
        self._update(number, completed=step, note=f"validation {scores['accuracy']:.1%}")

    def on_finish(self, trial: FinishedTrial) -> None:
        """Shows what came of a trial."""
        self._end(trial.number)
        with self._lock:
            self._finished.append(trial)
            self._front = extend_front(self._spec.config, self._front, trial)
        self._bars.update(self._trials, completed=len(self._finished), note=self._states())
        if not self._console.is_terminal:
            done = f"{len(self._finished)} of {self._spec.config.trials}"
            self.say(f"trial {trial.number} ({done}): {describe(trial)}")

    def on_seed(self, number: int, done: int, of: int) -> None:
        """Shows on how many seeds a winner is trained."""
        with self._lock:
            if number not in self._tasks:
                self._begin(number, f"winner {number}", of, "seeds")
            self._update(number, completed=done, note="")

    def on_winner(self, number: int) -> None:
        """Shows that a winner is trained on all its seeds."""
        self._end(number)
        if not self._console.is_terminal:
            self.say(f"winner {number}: trained on all its seeds")

    def _begin(self, number: int, name: str, total: int, of: str) -> None:
        with self._lock:
            self._tasks[number] = self._bars.add_task(name, total=total, of=of, note="starts")

    def _update(self, number: int, **fields: Any) -> None:
        with self._lock:
            # A stage that began as its trial was ended comes too late.
            if (task := self._tasks.get(number)) is not None:
                self._bars.update(task, **fields)

    def _end(self, number: int) -> None:
        with self._lock:
            if (task := self._tasks.pop(number, None)) is not None:
                self._bars.remove_task(task)

    def _states(self) -> str:
        states = [each.result.state.name for each in self._finished]
        words = {"PRUNED": "pruned", "FAIL": "failed"}
        return ", ".join(f"{states.count(s)} {word}" for s, word in words.items() if s in states)

    def _render(self) -> RenderableType:
        with self._lock:
            finished, front = list(self._finished), list(self._front)
        return Group(Text(self._spec.name), self._best(finished, front), self._bars)

    def _best(
        self, finished: Sequence[FinishedTrial], front: Sequence[FinishedTrial]
    ) -> RenderableType:
        """The best trials by one score that keep all limits, or the front of several; the best by
        the first score come first."""
        scores = self._spec.config.scores
        shown = front if len(scores) > 1 else filter(is_eligible, finished)
        best = best_first(self._spec.config, shown)
        if not best:
            return ""
        short = short_names(each for trial in finished for each in trial.frozen.params)
        table = Table(box=None, pad_edge=False, header_style="dim")
        first = "front" if len(scores) > 1 else "trial"
        table.add_column(first, justify="right", no_wrap=True)
        for score in scores:
            table.add_column(SCORE_NAMES[score], justify="right", no_wrap=True)
        table.add_column("drawn")  # The one that is cut where all are too wide.
        for trial in best[:_ROWS]:
            values = [format_score(each, trial.result.scores[each]) for each in scores]
            drawn = drawn_text(trial.frozen.params, short)
            cut = Text(drawn, no_wrap=True, overflow="ellipsis")
            table.add_row(str(trial.number), *values, cut)
        return table


def describe(trial: FinishedTrial) -> str:
    """What came of a trial, in a line."""
    scores = ", ".join(score_text(name, value) for name, value in trial.result.scores.items())
    state = {"COMPLETE": "", "PRUNED": "pruned; ", "FAIL": "failed; "}[trial.result.state.name]
    reason = trial.result.reason or ""
    known = f"{scores} ({reason})" if scores and reason else scores or reason
    drawn = drawn_text(trial.frozen.params, short_names(trial.frozen.params))
    return f"{state}{known}; {drawn}"
