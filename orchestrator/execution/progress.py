"""Progress on standard error: the graph with a bar for each running stage, or lines in a log."""

from __future__ import annotations

import threading
from collections.abc import Collection

from rich.console import Console, RenderableType
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

from orchestrator.execution.progress_graph import graph_rows, graph_table, plan_sentence
from orchestrator.execution.stage_works import StageResult, Watcher
from orchestrator.planning.graph import Choice, Decision, Graph
from orchestrator.planning.stage import Stage
from students.events import Advanced, Committed, EpochReport, Event, Resumed, Warned

_LINES_LEFT = 4
"""Lines of a terminal that are not filled with the graph."""


class ProgressBars(Watcher):
    """Shows how far stages are; without a terminal, one line at the start and end of each."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._is_live = console.is_terminal
        # It is never started: the graph's table has its columns in the rows of running stages.
        self._bars = Progress(
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
        )
        self._lock = threading.Lock()
        self._tasks: dict[str, TaskID] = {}
        self._ended: dict[str, str] = {}
        self._graph: Graph | None = None
        self._over = False
        self._screen = Live(console=console, get_renderable=self._render, refresh_per_second=8)

    def __enter__(self) -> ProgressBars:
        if self._is_live:
            self._screen.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._over = True
        if self._is_live:
            self._screen.stop()

    def show(self, graph: Graph, stored: Collection[str]) -> None:
        """Shows the graph that is to run, of which the stages of the digests ``stored`` are."""
        with self._lock:
            self._graph = graph
        if not self._is_live:
            self.say(plan_sentence(graph, set(stored)))

    def say(self, line: str) -> None:
        """Prints a line above the graph."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def on_wait(self, stage: Stage) -> None:
        """Prints that the stage is under way elsewhere."""
        self.say(f"{stage.title}: another run is working on this stage; waiting for it")

    def on_begin(self, stage: Stage, attempt: int) -> None:
        """Shows a bar for the stage."""
        note = "starting" if attempt == 1 else f"attempt {attempt}"
        with self._lock:
            if stage.title in self._tasks:
                self._bars.remove_task(self._tasks[stage.title])
            self._tasks[stage.title] = self._bars.add_task(stage.title, total=None, note=note)
        if not self._is_live:
            again = "" if attempt == 1 else f" (attempt {attempt})"
            self.say(f"{stage.title}: starts{again}")

    def on_event(self, stage: Stage, event: Event) -> None:
        """Moves the stage's bar."""
        task = self._tasks[stage.title]
        match event:
            case Resumed(step, total, _):
                self._bars.update(task, completed=step, total=total, note="")
                if step and not self._is_live:
                    self.say(f"{stage.title}: resumes at step {step} of {total}")
            case EpochReport(epoch, step, accuracy, _):
                shown = "" if accuracy is None else f", validation {accuracy:.1%}"
                self._bars.update(task, completed=step, note=f"epoch {epoch + 1}{shown}")
            case Advanced(step, _) | Committed(step, _):
                self._bars.update(task, completed=step)
            case Warned(text):
                self.say(f"{stage.title}: {text}")

    def on_failure(self, stage: Stage, sentence: str) -> None:
        """Prints why an attempt has failed, and what follows."""
        self.say(f"{stage.title}: {sentence}")

    def on_choice(self, choice: Choice, decision: Decision, graph: Graph) -> None:
        """Prints what was chosen, and why; shows what follows."""
        with self._lock:
            self._graph = graph
        self.say(f"{choice.title}: {decision.chosen}, since {decision.reason}")

    def on_end(self, result: StageResult) -> None:
        """Replaces the bar with the time that the stage took."""
        title, seconds = result.stage.title, f"{result.seconds:.1f} s"
        with self._lock:
            if title in self._tasks:
                self._bars.remove_task(self._tasks.pop(title))
            self._ended[title] = seconds if result.ran else "stored"
        if not self._is_live:
            self.say(f"{title}: {f'done in {seconds}' if result.ran else 'already stored'}")

    def _render(self) -> RenderableType:
        with self._lock:
            if self._graph is None:
                return ""
            running = {title: self._bar(task) for title, task in self._tasks.items()}
            rows = list(graph_rows(self._graph, self._ended, running))
        most = len(rows) if self._over else max(1, self._console.height - _LINES_LEFT)
        return graph_table(rows, most)

    def _bar(self, number: TaskID) -> RenderableType:
        [task] = (task for task in self._bars.tasks if task.id == number)
        row = Table.grid(padding=(0, 1))
        row.add_row(*(c if isinstance(c, str) else c(task) for c in self._bars.columns))
        return row
