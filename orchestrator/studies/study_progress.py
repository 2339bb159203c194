"""Shows a study while it runs: the trials under way, and the best ones so far."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from search.trials import Asked, Known

_ROWS = 12
"""Finished trials that are shown at most."""


class StudyProgress:
    """A live table on a terminal; elsewhere a line for each trial that is finished."""

    def __init__(self, console: Console, asked: Asked) -> None:
        self._console = console
        self._asked = asked
        self._finished: list[Known] = []
        self._running: dict[int, str] = {}
        self._lock = threading.Lock()
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> StudyProgress:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *raised: object) -> None:
        if self._live is not None:
            self._live.stop()

    def on_begin(self, number: int, overrides: Mapping[str, Any]) -> None:
        """A trial is under way."""
        with self._lock:
            self._running[number] = "starting"
        self._show()

    def on_epoch(self, number: int, epoch: int, scores: Mapping[str, float]) -> None:
        """Shows how far a trial is."""
        share = f"epoch {epoch} of {self._asked.epochs}, validation {scores['accuracy']:.1%}"
        with self._lock:
            self._running[number] = share
        self._show()

    def on_finish(self, trial: Known) -> None:
        """Shows what came of a trial."""
        with self._lock:
            self._running.pop(trial.number, None)
            self._finished.append(trial)
        if self._live is None:
            total = self._asked.config.trials
            self._console.print(
                f"trial {trial.number + 1} of {total}: {describe(trial)}",
                highlight=False, markup=False, soft_wrap=True,
            )  # fmt: skip
        self._show()

    def on_winner(self, trial: Known) -> None:
        """Shows that a winner is trained on all its seeds."""
        self._console.print(
            f"winner {trial.number}: trained on fresh seeds", highlight=False, soft_wrap=True
        )

    def _show(self) -> None:
        if self._live is None:
            return
        with self._lock:
            table = Table(box=None, pad_edge=False)
            for header in ("trial", "state", *self._asked.config.scores, "drawn"):
                table.add_column(header, overflow="fold")
            for trial in self._best():
                shown = [format_score(n, trial.result.scores[n]) for n in self._asked.config.scores]
                table.add_row(str(trial.number), "", *shown, describe_params(trial.frozen.params))
            for number, state in sorted(self._running.items()):
                table.add_row(str(number), state)
        self._live.update(table, refresh=True)

    def _best(self) -> list[Known]:
        """The complete ones, the best by the first score first."""
        name, direction = next(iter(self._asked.config.scores.items()))
        complete = [each for each in self._finished if each.result.state.name == "COMPLETE"]
        complete.sort(key=lambda each: each.result.scores[name], reverse=direction == "maximize")
        return complete[:_ROWS]


def describe(trial: Known) -> str:
    """What came of a trial, in a line."""
    scores = ", ".join(f"{n} {format_score(n, value)}" for n, value in trial.result.scores.items())
    state = {"COMPLETE": "", "PRUNED": "pruned; ", "FAIL": "failed; "}[trial.result.state.name]
    reason = "" if trial.result.reason is None else f" ({trial.result.reason})"
    return f"{state}{scores}{reason}; {describe_params(trial.frozen.params)}"


def describe_params(params: Mapping[str, Any]) -> str:
    """What was drawn, each by the end of its path."""
    return ", ".join(
        f"{name.rpartition('.')[2]} {value:.3g}" if isinstance(value, float)
        else f"{name.rpartition('.')[2]} {value}"
        for name, value in params.items()
    )  # fmt: skip


def format_score(name: str, value: float) -> str:
    """A score in its own unit: accuracy in percent."""
    if name == "accuracy":
        return f"{100 * value:.2f} %"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.4g}"
