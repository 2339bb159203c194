"""One student, killed and interrupted several times: nothing lost or doubled, no process left.

The tests are a chain on one home, each continues where the one before was interrupted: killed on
the torch engine, stopped by Ctrl-C in DeepSpeed, by SIGTERM while its roles start, all on Ray;
then to the end in one process.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.home.store import Store
from students.fault_injection import VARIABLE
from students.specs import MODEL
from students.storage.outcome import Outcome, read_outcomes
from students.storage.step_log import read_committed
from tests import small
from tests.faults import fault, plan_in
from tests.running import (
    EACH_STEP,
    IN_PROCESS,
    Command,
    Finished,
    finished,
    metrics,
    run_stages,
    runs_of,
    undisturbed,
    until,
)

EPOCHS, STEPS = 100, 400
LONG = (
    f"student.train.epochs={EPOCHS}", "controls=[]", "teachers.deep=null",
    "tracking.experiment=chain",
)  # fmt: skip
"""A commit after every fourth step."""

SECONDS_TO_START = 140
"""For a Ray, and processes that import torch and DeepSpeed, on a machine that is busy."""
SECONDS_TO_STOP = 40
"""Two or three where nothing else runs."""

OF_TIME = {"samples_per_second", "wait_seconds", "step_seconds"}
"""Metrics that no two runs share."""


@dataclass(frozen=True)
class Chain:
    """The home of the chain, and the stage whose student is broken off."""

    folder: Path
    home: Path
    stage: Path

    def command(self, *more: str, step: int, kind: str = "hang") -> Command:
        """A run whose student comes to ``step`` at most, so that it is broken off before its end,
        however fast the machine is."""
        settings = (str(small.written(self.folder)), *LONG, EACH_STEP, *more)
        plan = str(plan_in(self.folder, fault("student", step, kind)))
        return Command(
            "--home", str(self.home), "run", *settings, folder=self.folder, **{VARIABLE: plan}
        )

    def committed(self) -> int:
        """The step of the last commit; 0 before the first one."""
        file = self.stage / "checkpoints" / "LATEST"
        return int(file.read_text().removeprefix("step-")) if file.exists() else 0


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """Its teachers are stored already, those of the recipe run undisturbed."""
    folder = tmp_path_factory.mktemp("chain")
    others = ("student", "controls.untaught", "mlartifacts", "runs")
    home = undisturbed(tmp_path_factory).copied(folder, without=others)
    plan = small.planned(folder, *LONG)
    return Chain(folder, home, Store(home).folder(plan.stage("student").digest))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """The same student in another home, not interrupted: its stage and its outcome."""
    folder = tmp_path_factory.mktemp("other")
    others = ("student", "controls.untaught", "mlflow.db", "mlartifacts", "runs")
    home = undisturbed(tmp_path_factory).copied(folder, without=others)
    student = run_stages(small.loaded(folder, *IN_PROCESS, *LONG), home)[-1]
    assert (student.stage.name, student.ran) == ("student", True)
    return Store(home).folder(student.stage.digest), student.outcomes[MODEL]


def test_a_killed_run_leaves_its_last_commit(chain: Chain) -> None:
    with chain.command("student.engine.kind=torch", step=37, kind="kill_run") as run:
        assert run.ends(SECONDS_TO_START) == -signal.SIGKILL, run.said()
    # The roles that outlived the driver were killed with it.
    assert 36 <= chain.committed() < STEPS, "one commit before step 37 at the least"
    assert read_outcomes(chain.stage) == {}


def stops_within_seconds(run: Command, way: Callable[[], None]) -> None:
    began = time.monotonic()
    way()
    assert run.ends(SECONDS_TO_STOP) == 130, run.said()
    assert until(lambda: not run.living(), 2.0), run.living()
    assert time.monotonic() - began < SECONDS_TO_STOP
    assert "interrupted; the same command resumes from here" in run.said()
    assert "Traceback" not in run.said()


def test_ctrl_c_stops_a_run_that_resumed_the_killed_one(chain: Chain) -> None:
    before = chain.committed()
    with chain.command(step=STEPS - 18) as run:
        run.waits_for(lambda: chain.committed() > before, SECONDS_TO_START)
        # As a terminal does: every process of the group gets the signal.
        stops_within_seconds(run, lambda: os.killpg(run.process.pid, signal.SIGINT))
    assert f"student: resumes at step {before} of {STEPS}" in run.said()
    assert read_outcomes(chain.stage) == {}
    manifest = chain.stage / "checkpoints" / f"step-{chain.committed():06d}" / "manifest.json"
    assert before < json.loads(manifest.read_text())["step"] < STEPS
    assert not list((chain.home / "session").iterdir()), "token and files of its Ray are gone"


def test_sigterm_stops_a_run_whose_roles_are_just_being_started(chain: Chain) -> None:
    before = chain.committed()
    with chain.command(step=STEPS - 10) as run:
        run.waits_for(lambda: "student: starts" in run.said(), SECONDS_TO_START)
        # As ``kill`` does: the driver alone gets the signal.
        stops_within_seconds(run, run.process.terminate)
    assert chain.committed() >= before


@pytest.fixture(scope="module")
def resumed(chain: Chain) -> Finished:
    return finished(chain.folder, chain.home, *LONG)


def test_the_student_is_that_of_the_uninterrupted_run(
    chain: Chain, resumed: Finished, uninterrupted: tuple[Path, Outcome]
) -> None:
    _, expected = uninterrupted
    assert resumed.ran() == ["student"]
    assert resumed.object["student"]["weights_sha256"] == expected.weights_sha256
    outcome = read_outcomes(chain.stage)[MODEL]
    assert outcome.curve == expected.curve
    parts = [attempt for attempt, _ in outcome.segments]
    assert {1, 2, 4} <= set(parts) <= {1, 2, 3, 4}, "all but perhaps the third did a part"


def test_each_metric_is_in_mlflow_once(
    chain: Chain, resumed: Finished, uninterrupted: tuple[Path, Outcome]
) -> None:
    logged = metrics(chain.home, chain.stage.name)
    assert {at: len(values) for at, values in logged.items() if len(values) != 1} == {}
    stage, outcome = uninterrupted
    rows = list(read_committed(stage, outcome.segments))
    expected = {
        (name if row.kind == "step" else f"validation/{name}", row.step): [value]
        for row in rows
        for name, value in row.values.items()
        if name not in OF_TIME | {"samples"}
    }
    assert {at: values for at, values in logged.items() if at[0] not in OF_TIME} == expected
    steps = Counter(key for key, _ in logged)
    assert steps["loss"] == steps["wait_seconds"] == STEPS
    assert steps["validation/nll"] == EPOCHS
    names = [name for name, _ in runs_of(chain.home, "chain")]
    assert sorted(names) == ["small", "student", "teachers.wide"]
    assert {status for _, status in runs_of(chain.home, "chain")} == {"FINISHED"}
