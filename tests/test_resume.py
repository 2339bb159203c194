"""One student, killed and interrupted several times: nothing lost or doubled, no process left.

The fixtures are a chain on one home, each continues where the one before was interrupted: killed on
the torch engine, stopped by Ctrl-C in DeepSpeed, by SIGTERM while its roles start, all on Ray;
then to the end in one process. Each test asks one of them what it has seen.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
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

EPOCHS, STEPS = 40, 160
LONG = (
    f"student.train.epochs={EPOCHS}", "controls=[]", "teachers.deep=null",
    "tracking.experiment=chain",
)  # fmt: skip
"""A commit after every fourth step."""

pytestmark = pytest.mark.timeout(600)
"""Whichever test comes first waits for the whole chain."""

SECONDS_TO_START = 140
"""For a Ray, and processes that import torch and DeepSpeed, on a machine that is busy."""
SECONDS_TO_STOP = 40
"""Two or three where nothing else runs."""

OF_TIME = {"samples_per_second", "wait_seconds", "step_seconds"}
"""Metrics that no two runs share."""


@dataclass(frozen=True)
class Ended:
    """What was seen of a run that did not come to its end."""

    code: int
    said: str
    seconds: float
    """From the signal to the end of the last process."""
    before: int
    """The step of the last commit before the run; ``after`` is that after it."""
    after: int
    manifest: int
    """The step that the manifest of this commit names."""
    outcomes: Mapping[str, Outcome]
    remains: Sequence[object]
    """Processes, and files of its Ray."""


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

    def ended(self, run: Command, before: int, seconds: float, remains: Sequence[object]) -> Ended:
        """What a run that began after the commit of step ``before`` has left."""
        after = self.committed()
        manifest = self.stage / "checkpoints" / f"step-{after:06d}" / "manifest.json"
        step = json.loads(manifest.read_text())["step"] if after else 0
        outcomes = read_outcomes(self.stage)
        code = run.process.returncode
        return Ended(code, run.said(), seconds, before, after, step, outcomes, remains)


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


def stopped(chain: Chain, run: Command, way: Callable[[], None], before: int) -> Ended:
    """Stops the run and waits for its end, and for that of its processes."""
    began = time.monotonic()
    way()
    run.ends(SECONDS_TO_STOP)
    until(lambda: not run.living(), 2.0)
    seconds = time.monotonic() - began
    remains = [*run.living(), *(chain.home / "session").iterdir()]
    return chain.ended(run, before, seconds, remains)


@pytest.fixture(scope="module")
def killed(chain: Chain) -> Ended:
    """A run that was killed before step 37, and its roles with it."""
    with chain.command("student.engine.kind=torch", step=37, kind="kill_run") as run:
        run.ends(SECONDS_TO_START)
    # By now the roles that outlived the driver, and may have committed, are killed as well.
    return chain.ended(run, 0, 0.0, [])


@pytest.fixture(scope="module")
def interrupted(chain: Chain, killed: Ended) -> Ended:
    """The next one gets SIGINT after its first commit, each process of it, as from a terminal."""
    with chain.command(step=STEPS - 18) as run:
        run.waits_for(lambda: chain.committed() > killed.after, SECONDS_TO_START)
        interrupt = partial(os.killpg, run.process.pid, signal.SIGINT)
        return stopped(chain, run, interrupt, killed.after)


@pytest.fixture(scope="module")
def terminated(chain: Chain, interrupted: Ended) -> Ended:
    """The third gets SIGTERM as its roles start, as from ``kill``: the driver alone."""
    with chain.command(step=STEPS - 10) as run:
        run.waits_for(lambda: "student: starts" in run.said(), SECONDS_TO_START)
        return stopped(chain, run, run.process.terminate, interrupted.after)


@pytest.fixture(scope="module")
def resumed(chain: Chain, terminated: Ended) -> Finished:
    """The last one comes to the end."""
    return finished(chain.folder, chain.home, *LONG)


def test_a_killed_run_leaves_its_last_commit(killed: Ended) -> None:
    assert killed.code == -signal.SIGKILL, killed.said
    assert 36 <= killed.after < STEPS, "one commit before step 37 at the least"
    assert killed.outcomes == {}


def assert_stopped_within_seconds(ended: Ended) -> None:
    assert ended.code == 130, ended.said
    assert ended.remains == []
    assert ended.seconds < SECONDS_TO_STOP
    assert "interrupted; the same command resumes from here" in ended.said
    assert "Traceback" not in ended.said


@pytest.mark.slow
def test_ctrl_c_stops_a_run_that_resumed_the_killed_one(interrupted: Ended) -> None:
    assert_stopped_within_seconds(interrupted)
    assert f"student: resumes at step {interrupted.before} of {STEPS}" in interrupted.said
    assert interrupted.outcomes == {}
    assert interrupted.before < interrupted.after == interrupted.manifest < STEPS


@pytest.mark.slow
def test_sigterm_stops_a_run_whose_roles_are_just_being_started(terminated: Ended) -> None:
    assert_stopped_within_seconds(terminated)
    assert terminated.after >= terminated.before


@pytest.mark.slow
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


@pytest.mark.slow
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
