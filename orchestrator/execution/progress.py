"""Progress bars: one for each running stage, on standard error."""

from __future__ import annotations

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

from orchestrator.execution.stage_works import StageResult
from orchestrator.planning.graph import Choice, Decision
from orchestrator.planning.stage import Stage
from students.events import Advanced, Committed, EpochReport, Event, Resumed, Warned


class ProgressBars:
    """Shows how far stages are; without a terminal, one line at the start and end of each."""

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

    def __exit__(self, *raised: object) -> None:
        self._bars.stop()

    def say(self, line: str) -> None:
        """Prints a line above the bars."""
        self._bars.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def on_wait(self, stage: Stage) -> None:
        """Prints that another process has the stage."""
        self.say(f"{stage.title}: another process is running this stage; waiting for it")

    def on_begin(self, stage: Stage, attempt: int) -> None:
        """Shows a bar for the stage."""
        note = "starting" if attempt == 1 else f"attempt {attempt}"
        if stage.title in self._tasks:
            self._bars.remove_task(self._tasks[stage.title])
        self._tasks[stage.title] = self._bars.add_task(stage.title, total=None, note=note)
        if not self._live:
            again = "" if attempt == 1 else f" (attempt {attempt})"
            self.say(f"{stage.title}: starts{again}")

    def on_event(self, stage: Stage, event: Event) -> None:
        """Moves the stage's bar."""
        task = self._tasks[stage.title]
        match event:
            case Resumed(step, total, _):
                self._bars.update(task, completed=step, total=total, note="")
                if step and not self._live:
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

    def on_choice(self, choice: Choice, decision: Decision) -> None:
        """Prints what was chosen, and why."""
        self.say(f"{choice.title}: {decision.chosen}, since {decision.reason}")

    def on_end(self, result: StageResult) -> None:
        """Replaces the bar with a line."""
        title = result.stage.title
        if title in self._tasks:
            self._bars.remove_task(self._tasks.pop(title))
        line = f"done in {result.seconds:.1f} s" if result.ran else "already stored"
        self.say(f"{title}: {line}")
