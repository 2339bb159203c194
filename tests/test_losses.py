"""A teacher or a rank that is killed in mid-training: the same student in the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from orchestrator.planning.plan import Stage

from cluster.errors import RoleLost
from cluster.in_process import InProcessRuntime
from cluster.ray.local_runtime import LocalRuntime
from students.events import Committed, Event, Resumed, Warned
from students.storage.outcome import Outcome
from tests import small
from tests.running import IN_PROCESS, Finished, RecordingWatcher, executor, undisturbed

pytestmark = pytest.mark.slow

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
class AtCommits(RecordingWatcher):
    """Kills a role, by name, when the student has committed that step or a later one."""

    kill: Callable[[str], None] = lambda name: None
    doomed: dict[int, str] = field(default_factory=dict)

    def on_event(self, stage: Stage, event: Event) -> None:
        super().on_event(stage, event)
        for step in sorted(self.doomed):
            if isinstance(event, Committed) and event.step >= step:
                self.kill(self.doomed.pop(step))
                return

    def events_of(self, kind: type[Event]) -> list[Any]:
        """The events of one kind."""
        return [event for _, _, event in self.events if isinstance(event, kind)]


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


def test_a_killed_teacher_is_brought_back_and_a_killed_rank_goes_on_in_the_next_run(
    whole: Finished, expected: Outcome, local_runtime: LocalRuntime, tmp_path: Path
) -> None:
    runtime: Any = Recording(local_runtime)
    doomed = {4: "teacher wide", 20: "student, rank 0"}
    first, second = AtCommits(kill=runtime.kill, doomed=doomed), AtCommits()
    folder = home(whole, tmp_path)
    loaded = small.loaded(tmp_path, *ALONE)
    with pytest.raises(RoleLost, match="student, rank 0"):
        executor(runtime, loaded, folder, watcher=first).run()
    [begun] = first.events_of(Resumed)
    assert begun.step == 0, "with its teacher lost the student went on, it did not begin again"
    noticed, *others = first.events_of(Warned)
    assert not others, [each.text for each in others]
    assert noticed.text.startswith("restarting teacher 'wide' (1 of ")

    student = executor(runtime, loaded, folder, watcher=second).run()[-1].outcome
    [resumed] = second.events_of(Resumed)
    assert 20 <= resumed.step < STEPS
    assert resumed.step % 4 == 0
    assert (student.weights_sha256, student.curve) == (expected.weights_sha256, expected.curve)
