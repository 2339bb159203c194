"""Shows a study while it runs: the best trials so far, and a bar for each that is under way."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orchestrator.formatting import counted
from orchestrator.planning.stage import Stage
from orchestrator.report.study_values import (
    SCORE_NAMES,
    drawn_text,
    format_score,
    score_text,
    short_names,
)
from search.trials import FinishedTrial, StudySpec

_ROWS = 10
"""Finished trials that are shown at most."""
_BAR = 20


class StudyProgress:
    """A live table on a terminal; elsewhere a line for each trial that is finished."""

    def __init__(self, console: Console, spec: StudySpec) -> None:
        self._console = console
        self._spec = spec
        self._finished: list[FinishedTrial] = []
        self._running: dict[int, tuple[int, str]] = {}
        self._winners: list[int] = []
        self._lock = threading.Lock()
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

    def on_begin(self, number: int, overrides: Mapping[str, Any]) -> None:
        """A trial is under way."""
        self._set(number, 0, "starts")

    def on_stage(self, number: int, stage: Stage) -> None:
        """Shows which stage of a trial begins: a teacher's, an assistant's, the student's."""
        self._set(number, None, f"stage {stage.title}")

    def on_step(self, number: int, step: int, scores: Mapping[str, float]) -> None:
        """Shows how far a trial is."""
        accuracy = f"validation {scores['accuracy']:.1%}"
        self._set(
            number, step, f"{self._spec.config.step} {step} of {self._spec.steps}, {accuracy}"
        )

    def on_finish(self, trial: FinishedTrial) -> None:
        """Shows what came of a trial."""
        with self._lock:
            self._running.pop(trial.number, None)
            self._finished.append(trial)
        if not self._console.is_terminal:
            done = f"{len(self._finished)} of {self._spec.config.trials}"
            self.say(f"trial {trial.number} ({done}): {describe(trial)}")

    def on_winner(self, trial: FinishedTrial) -> None:
        """Shows that a winner is trained on all its seeds."""
        with self._lock:
            self._winners.append(trial.number)
        if not self._console.is_terminal:
            self.say(f"winner {trial.number}: trained on fresh seeds")

    def _set(self, number: int, step: int | None, state: str) -> None:
        """``step`` is the last one that is finished; none if that has not changed."""
        with self._lock:
            before, _ = self._running.get(number, (0, ""))
            self._running[number] = before if step is None else step, state

    def _render(self) -> RenderableType:
        with self._lock:
            running, winners = dict(self._running), list(self._winners)
            finished = list(self._finished)
        return Group(
            Text(self._headline(finished, winners)), self._best(finished), self._bars(running)
        )

    def _headline(self, finished: list[FinishedTrial], winners: list[int]) -> str:
        states = [each.result.state.name for each in finished]
        parts = [f"{len(finished)} of {counted(self._spec.config.trials, 'trial')}"]
        for state, word in (("PRUNED", "pruned"), ("FAIL", "failed")):
            if count := states.count(state):
                parts.append(f"{count} {word}")
        if len(finished) == self._spec.config.trials:
            done = ", ".join(map(str, winners)) or "none yet"
            parts.append(f"winners trained on fresh seeds: {done}")
        return f"{self._spec.name}: {', '.join(parts)}"

    def _best(self, finished: list[FinishedTrial]) -> RenderableType:
        """The complete trials, the best by the first score first."""
        name, direction = next(iter(self._spec.config.scores.items()))
        complete = [each for each in finished if each.result.state.name == "COMPLETE"]
        complete.sort(key=lambda each: each.result.scores[name], reverse=direction == "maximize")
        if not complete:
            return ""
        short = short_names(each for trial in finished for each in trial.frozen.params)
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("trial", justify="right")
        for score in self._spec.config.scores:
            table.add_column(SCORE_NAMES[score], justify="right", no_wrap=True)
        table.add_column("drawn", overflow="ellipsis", no_wrap=True)
        for trial in complete[:_ROWS]:
            shown = [format_score(s, trial.result.scores[s]) for s in self._spec.config.scores]
            drawn = drawn_text(trial.frozen.params, short)
            table.add_row(str(trial.number), *shown, Text(drawn))
        return table

    def _bars(self, running: Mapping[int, tuple[int, str]]) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        for number, (step, state) in sorted(running.items()):
            bar = ProgressBar(total=self._spec.steps, completed=step, width=_BAR)
            table.add_row(f"trial {number}", bar, Text(state))
        return table


def describe(trial: FinishedTrial) -> str:
    """What came of a trial, in a line."""
    scores = ", ".join(score_text(name, value) for name, value in trial.result.scores.items())
    state = {"COMPLETE": "", "PRUNED": "pruned; ", "FAIL": "failed; "}[trial.result.state.name]
    reason = "" if trial.result.reason is None else f" ({trial.result.reason})"
    drawn = drawn_text(trial.frozen.params, short_names(trial.frozen.params))
    return f"{state}{scores}{reason}; {drawn}"
