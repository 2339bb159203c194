"""Runs of the small recipe: stage by stage on a given runtime, or as the command line runs it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner

import stillhouse
from orchestrator.cli import main
from orchestrator.execution.session import Session
from orchestrator.execution.stage_works import StageResult, Watcher
from orchestrator.home.store import Store
from orchestrator.planning.graph import Choice, Decision, Graph
from orchestrator.planning.stage import Stage
from orchestrator.recipe.loading import LoadedRecipe
from students.events import Event
from students.fault_injection import VARIABLE
from students.specs import MODEL
from students.storage.step_log import read_committed
from tests import small
from tests.faults import fault, planned

ROOT = Path(__file__).parents[1]
IN_PROCESS = (
    "cluster.mode=in_process",
    "student.engine.kind=torch",
    "teachers.wide.engine.kind=torch",
    "teachers.deep.engine.kind=torch",
)
"""Everything in this process, in plain torch."""

EACH_STEP = "tracking.every=1"


@dataclass
class RecordingWatcher(Watcher):
    """Records (what happened, stage's title, detail)."""

    events: list[tuple[str, str, Any]] = field(default_factory=list)

    def on_wait(self, stage: Stage) -> None:
        self.events.append(("wait", stage.title, None))

    def on_begin(self, stage: Stage, attempt: int) -> None:
        self.events.append(("begin", stage.title, attempt))

    def on_event(self, stage: Stage, event: Event) -> None:
        self.events.append(("event", stage.title, event))

    def on_failure(self, stage: Stage, sentence: str) -> None:
        self.events.append(("failure", stage.title, sentence))

    def on_choice(self, choice: Choice, decision: Decision, graph: Graph) -> None:
        self.events.append(("choice", choice.title, decision))

    def on_end(self, result: StageResult) -> None:
        self.events.append(("end", result.stage.title, result.ran))

    def titles(self, what: str) -> list[str]:
        return [title for kind, title, _ in self.events if kind == what]


def run_stages(
    loaded: LoadedRecipe,
    home: Path,
    *,
    watcher: RecordingWatcher | None = None,
    until: int | None = None,
) -> tuple[StageResult, ...]:
    """Runs the recipe's stages in a session of their own; it is interrupted when the student is
    about to compute step ``until``, in this process.

    Raises:
        KeyboardInterrupt: it was.
    """
    with Session(home, loaded.recipe.cluster) as session, ExitStack() as stack:
        session.store.prepare()
        if until is not None:
            interrupt = fault("student", until, "interrupt")
            stack.enter_context(planned(home.parent, interrupt))
        graph = stillhouse.plan(loaded, session)
        return session.submit(graph, watcher or RecordingWatcher()).result().results


def committed_rows(home: Path, result: StageResult) -> list[tuple[str, int, dict[str, float]]]:
    """The committed rows of a finished stage, without times."""
    stage = Store(home).folder(result.stage.digest)
    return [
        (row.kind, row.step, {n: v for n, v in row.values.items() if "seconds" not in n})
        for row in read_committed(stage, result.outcomes[MODEL].segments)
    ]


def copy_of(home: Path, folder: Path, *, without: Sequence[str] = ()) -> Path:
    """A copy of a home as ``folder``/home, without the files and folders of those names."""
    ignore = shutil.ignore_patterns("*.lock", *without)
    return Path(shutil.copytree(home, folder / "home", ignore=ignore))


@dataclass(frozen=True)
class Finished:
    """A run in ``home`` of the recipe in ``folder``; ``object`` is what ``--json`` printed."""

    folder: Path
    home: Path
    object: Mapping[str, Any]

    def again(self, *arguments: str) -> Mapping[str, Any]:
        """The same command with more arguments."""
        return finished(self.folder, self.home, *arguments).object

    def copied(self, folder: Path, *, without: Sequence[str] = ()) -> Path:
        """A copy of the home, without the stages and files of those names."""
        gone = [digest for name, digest in self.digests().items() if name in without]
        return copy_of(self.home, folder, without=[*gone, *without])

    def ran(self) -> list[str]:
        """The stages that were run, by name."""
        return [stage["name"] for stage in self.object["stages"] if stage["ran"]]

    def digests(self) -> dict[str, str]:
        """Each stage's digest by its name."""
        return {stage["name"]: stage["digest"] for stage in self.object["stages"]}

    def weights(self) -> dict[str, str]:
        """Each stage's finished weights by its name."""
        models = {
            **{f"teachers.{name}": model for name, model in self.object["teachers"].items()},
            "student": self.object["student"],
            "controls.untaught": self.object["untaught"],
        }
        return {name: model["weights_sha256"] for name, model in models.items()}


def finished(folder: Path, home: Path, *arguments: str) -> Finished:
    """Runs the recipe in ``folder`` to its end, in this process."""
    command = ["--home", str(home), "run", str(folder / "recipe.yaml"), *IN_PROCESS, EACH_STEP]
    result = CliRunner().invoke(main, [*command, *arguments, "--json"])
    assert result.exit_code == 0, result.output
    return Finished(folder, home, json.loads(result.stdout))


_UNDISTURBED: list[Finished] = []


def undisturbed(factory: pytest.TempPathFactory) -> Finished:
    """The small recipe, run once in the whole session; its home must not be changed."""
    if not _UNDISTURBED:
        folder = factory.mktemp("undisturbed")
        small.written(folder)
        _UNDISTURBED.append(finished(folder, folder / "home"))
    return _UNDISTURBED[0]


class Command:
    """The command line in a process group of its own, all of whose processes can be found."""

    def __init__(self, *arguments: str, folder: Path, **environment: str) -> None:
        self.mark = uuid.uuid4().hex
        self.output = folder / f"output-{self.mark[:6]}"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", "from orchestrator.cli import main; main()", *arguments],
                cwd=folder,
                env={
                    **os.environ, "PYTHONPATH": str(ROOT), "STILLHOUSE_TEST_MARK": self.mark,
                    **environment,
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        if VARIABLE in environment:
            Path(f"{environment[VARIABLE]}.group").write_text(str(self.process.pid))

    def __enter__(self) -> Command:
        return self

    def __exit__(self, *error: object) -> None:
        for process in self.living():
            process.kill()
        self.process.wait()

    def ends(self, seconds: float) -> int:
        """The exit code, which must come within so many seconds."""
        return self.process.wait(timeout=seconds)

    def waits_for(self, claim: Callable[[], bool], seconds: float) -> None:
        """Waits until ``claim`` is true, for at most so many seconds and while the command runs."""
        over = until(lambda: claim() or self.process.poll() is not None, seconds)
        assert over, f"not within {seconds} s: {self.said()}"
        assert self.process.poll() is None, f"ended too soon: {self.said()}"

    def said(self) -> str:
        """What it has printed so far, on either output."""
        return self.output.read_text()

    def living(self) -> list[psutil.Process]:
        """The processes that it or its children started and that still run."""
        found = []
        for process in psutil.process_iter():
            try:
                marked = process.environ().get("STILLHOUSE_TEST_MARK") == self.mark
                if marked and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found


def until(claim: Callable[[], bool], seconds: float) -> bool:
    """Whether ``claim`` becomes true within so many seconds."""
    end = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def metrics(home: Path, digest: str) -> dict[tuple[str, int], list[float]]:
    """All values that MLflow has of a stage, by (metric, step), in the order they were logged."""
    question = """
        SELECT m.key, m.step, m.value FROM metrics m JOIN tags t ON t.run_uuid = m.run_uuid
        WHERE t.key = 'stillhouse.stage' AND t.value LIKE ? ORDER BY m.key, m.step
    """
    logged: dict[tuple[str, int], list[float]] = {}
    with sqlite3.connect(f"file:{home}/mlflow.db?mode=ro", uri=True) as database:
        for key, step, value in database.execute(question, (f"{digest}:%",)):
            logged.setdefault((key, step), []).append(value)
    database.close()
    return logged


def runs_of(home: Path, experiment: str = "small") -> Sequence[tuple[str, str]]:
    """Name and status of each run that MLflow has of the experiment."""
    question = """
        SELECT r.name, r.status FROM runs r JOIN experiments e USING (experiment_id)
        WHERE e.name = ? ORDER BY r.start_time
    """
    with sqlite3.connect(f"file:{home}/mlflow.db?mode=ro", uri=True) as database:
        found = database.execute(question, (experiment,)).fetchall()
    database.close()
    return found


def tags_of(home: Path, digest: str) -> dict[str, str]:
    """The tags of a stage's run in MLflow."""
    question = """
        SELECT t.key, t.value FROM tags t JOIN tags s ON s.run_uuid = t.run_uuid
        WHERE s.key = 'stillhouse.stage' AND s.value LIKE ?
    """
    with sqlite3.connect(f"file:{home}/mlflow.db?mode=ro", uri=True) as database:
        found = dict(database.execute(question, (f"{digest}:%",)).fetchall())
    database.close()
    return found
