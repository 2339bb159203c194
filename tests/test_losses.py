"""A teacher or a rank that is killed in mid-training: the same student in the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cluster.errors import RoleLost
from cluster.in_process import InProcessRuntime
from cluster.local import LocalRuntime
from orchestrator.plan import Stage
from students.outcome import Outcome
from students.reports import Committed, Event, Noticed, Resumed
from tests import small
from tests.running import IN_PROCESS, Finished, Heard, executor, undisturbed

ALONE = ("teachers.deep=null", "controls=[]", "student.train.epochs=20")
STEPS = 80


@dataclass
class Recording:
    """A runtime that remembers by name which roles it has started."""

    runtime: LocalRuntime
    started: dict[str, Any] = field(default_factory=dict)
    parallel: bool = True

    def start(self, demand: Any, name: str, role: Any, *args: Any, **kwargs: Any) -> Any:
        self.started[name] = self.runtime.start(demand, name, role, *args, **kwargs)
        return self.started[name]

    def retire(self, handle: Any) -> None:
        self.runtime.retire(handle)

    def kill(self, name: str) -> None:
        self.runtime.kill(self.started[name])


@dataclass
class AtACommit(Heard):
    """Does something once, when the student has committed its first checkpoint."""

    act: Callable[[], None] = lambda: None
    done: bool = False

    def hears(self, stage: Stage, event: Event) -> None:
        super().hears(stage, event)
        if isinstance(event, Committed) and not self.done:
            self.done = True
            self.act()

    def resumed(self) -> list[int]:
        """The steps at which the student began or went on."""
        return [event.step for _, _, event in self.said if isinstance(event, Resumed)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return undisturbed(tmp_path_factory)


def home(whole: Finished, folder: Path) -> Path:
    return whole.copied(folder, without=("student", "controls.untaught"))


@pytest.fixture(scope="module")
def expected(whole: Finished, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("expected")
    loaded = small.loaded(folder, *IN_PROCESS, *ALONE)
    return executor(InProcessRuntime(), loaded, home(whole, folder)).run()[-1].outcome


def test_a_teacher_killed_in_mid_training_is_brought_back_and_changes_nothing(
    whole: Finished, expected: Outcome, local_runtime: LocalRuntime, tmp_path: Path
) -> None:
    runtime: Any = Recording(local_runtime)
    heard = AtACommit(act=lambda: runtime.kill("teacher wide"))
    run = executor(runtime, small.loaded(tmp_path, *ALONE), home(whole, tmp_path), watcher=heard)
    student = run.run()[-1].outcome
    assert heard.resumed() == [0], "the student went on, it did not begin again"
    [noticed] = [event.text for _, _, event in heard.said if isinstance(event, Noticed)]
    assert noticed.startswith("restarting teacher 'wide' (1 of ")
    assert (student.weights_sha256, student.curve) == (expected.weights_sha256, expected.curve)


def test_a_rank_killed_in_mid_training_ends_the_run_and_the_next_one_goes_on(
    whole: Finished, expected: Outcome, local_runtime: LocalRuntime, tmp_path: Path
) -> None:
    runtime: Any = Recording(local_runtime)
    heard = AtACommit(act=lambda: runtime.kill("student, rank 0"))
    folder = home(whole, tmp_path)
    loaded = small.loaded(tmp_path, *ALONE)
    with pytest.raises(RoleLost, match="student, rank 0"):
        executor(runtime, loaded, folder, watcher=heard).run()
    again = AtACommit()
    student = executor(runtime, loaded, folder, watcher=again).run()[-1].outcome
    assert heard.resumed() == [0]
    [step] = again.resumed()
    assert 4 <= step < STEPS
    assert step % 4 == 0
    assert (student.weights_sha256, student.curve) == (expected.weights_sha256, expected.curve)
