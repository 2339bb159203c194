"""Progress bars: one for each stage under way, on standard error."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from orchestrator.execution.executor import StageResult
from orchestrator.planning.plan import Stage
from students.events import Advanced, Committed, EpochReport, Event, Resumed, Warned


class ProgressBars:
    """Shows stages as they advance; where nobody watches, one line at each beginning and end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = console.is_terminal
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            disable=not self._live,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> ProgressBars:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def say(self, line: str) -> None:
        """Prints a line above the bars."""
        self._bars.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def waits(self, stage: Stage) -> None:
        """Says that another process has the stage."""
        self.say(f"{stage.title}: another process works on this very stage; waiting for it")

    def begins(self, stage: Stage, attempt: int) -> None:
        """Shows a bar for the stage."""
        note = "starting" if attempt == 1 else f"attempt {attempt}"
        self._tasks[stage.title] = self._bars.add_task(stage.title, total=None, note=note)
        if not self._live:
            again = "" if attempt == 1 else f" (attempt {attempt})"
            self.say(f"{stage.title}: begins{again}")

    def hears(self, stage: Stage, event: Event) -> None:
        """Moves the stage's bar."""
        task = self._tasks[stage.title]
        match event:
            case Resumed(step, total, _):
                self._bars.update(task, completed=step, total=total, note="")
                if step and not self._live:
                    self.say(f"{stage.title}: goes on at step {step} of {total}")
            case EpochReport(epoch, step, accuracy, _):
                said = "" if accuracy is None else f", validation {accuracy:.1%}"
                self._bars.update(task, completed=step, note=f"epoch {epoch + 1}{said}")
            case Advanced(step, _) | Committed(step, _):
                self._bars.update(task, completed=step)
            case Warned(text):
                self.say(f"{stage.title}: {text}")

    def ends(self, result: StageResult) -> None:
        """Takes the bar away and leaves a line."""
        title = result.stage.title
        if title in self._tasks:
            self._bars.remove_task(self._tasks.pop(title))
        said = f"done in {result.seconds:.1f} s" if result.ran else "stored already"
        self.say(f"{title}: {said}")
