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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner
from orchestrator.execution.executor import Executor, StageResult
from orchestrator.execution.role_specs import RoleSpecs
from orchestrator.planning.plan import Plan, Stage, make_plan

from cluster.runtime import Runtime
from orchestrator.cli import main
from orchestrator.deep_check.deep_check import deep_check
from orchestrator.execution.stage_runner import StageRunner
from orchestrator.home.store import Store
from orchestrator.recipe.loading import LoadedRecipe
from students.events import Event
from students.fault_injection import Fault
from students.storage.step_log import read_committed
from tests import small

ROOT = Path(__file__).parents[1]
IN_PROCESS = (
    "cluster.mode=in_process",
    "student.engine.kind=torch",
    "teachers.wide.engine.kind=torch",
    "teachers.deep.engine.kind=torch",
)
"""Everything in this process, in plain torch."""

EACH_STEP = "tracking.every=1"


class Killed(Exception):
    """Stops the driver in the middle."""


class Fatal(Fault):
    """Raises in this process instead of killing it."""

    def trigger(self, step: int) -> None:
        if step == self.step:
            raise Killed


@dataclass
class RecordingWatcher:
    """Records (what happened, stage's title, detail)."""

    events: list[tuple[str, str, Any]] = field(default_factory=list)

    def on_wait(self, stage: Stage) -> None:
        self.events.append(("wait", stage.title, None))

    def on_begin(self, stage: Stage, attempt: int) -> None:
        self.events.append(("begin", stage.title, attempt))

    def on_event(self, stage: Stage, event: Event) -> None:
        self.events.append(("event", stage.title, event))

    def on_end(self, result: StageResult) -> None:
        self.events.append(("end", result.stage.title, result.ran))

    def titles(self, what: str) -> list[str]:
        return [title for kind, title, _ in self.events if kind == what]


def executor(
    runtime: Runtime,
    loaded: LoadedRecipe,
    home: Path,
    *,
    watcher: RecordingWatcher | None = None,
    until: int | None = None,
) -> Executor:
    """The executor of the recipe on ``runtime``, built as a run builds it; in this process it may
    be ``Killed`` when its student is about to compute step ``until``."""
    store = Store(home)
    store.prepare()
    checked = deep_check(loaded, store.cache)
    assert checked.problems == []
    assert checked.transfer_set is not None
    plan: Plan = make_plan(loaded.recipe, folder=loaded.folder, cache=store.cache)
    fault = None if until is None else Fatal("student", until, 0)
    runner = StageRunner(
        runtime, RoleSpecs(plan, store, checked.hint_shapes, fault), checked.transfer_set
    )
    return Executor(plan, store, runtime, runner, watcher or RecordingWatcher(), cores=2)


def committed_rows(home: Path, result: StageResult) -> list[tuple[str, int, dict[str, float]]]:
    """The committed rows of a finished stage, without times."""
    stage = Store(home).folder(result.stage.digest)
    return [
        (row.kind, row.step, {n: v for n, v in row.values.items() if "seconds" not in n})
        for row in read_committed(stage, result.outcome.segments)
    ]


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
        ignore = shutil.ignore_patterns("*.lock", *gone, *without)
        return Path(shutil.copytree(self.home, folder / "home", ignore=ignore))

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
