"""Each stage runs once its dependencies are done, and stored ones do not; with a fake runner."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from orchestrator.execution.executor import Executor
from orchestrator.planning.plan import Plan, Stage

from orchestrator.home.store import Store
from orchestrator.planning.thread_allocation import TeacherReadiness
from students.events import Warned
from students.storage.outcome import Outcome, read_outcome, write_outcome
from teachers.errors import AnswersGone
from tests import small
from tests.running import RecordingWatcher

STAGES = ["teachers.wide", "teachers.deep", "student", "controls.untaught"]


class Unlucky(Exception):
    """Raised by a stage that fails."""


@dataclass
class Runtime:
    """What an executor needs of a runtime."""

    parallel: bool


@dataclass
class Runner:
    """Stores an outcome for each stage; calls ``meanwhile`` while the stage is under way."""

    store: Store
    meanwhile: Callable[[Stage], None] = lambda stage: None
    ran: list[str] = field(default_factory=list)
    resolved: list[Any] = field(default_factory=list)
    filled: bool = True

    @property
    def teachers(self) -> Runner:
        return self

    def readiness(self, stage: Stage) -> TeacherReadiness:
        return TeacherReadiness()

    def teachers_to_store(self, stage: Stage) -> frozenset[str]:
        return frozenset() if self.filled else frozenset(stage.teachers)

    def run(
        self, stage: Stage, attempt: int, resolved: Any, on_event: Any, *, start_all: bool = False
    ) -> None:
        done = [read_outcome(self.store.folder(need)) for need in stage.needs]
        assert None not in done, "its teachers are not done"
        self.ran.append(stage.title)
        self.resolved.append(resolved)
        self.meanwhile(stage)
        folder = self.store.folder(stage.digest)
        answers = {"test": torch.zeros(1, 2)}
        write_outcome(folder, attempt, Outcome("ab", 1, 1, 1), weights={}, answers=answers)


@dataclass
class Bench:
    """One plan in one home, which can be run several times."""

    plan: Plan
    store: Store
    parallel: bool

    def run(
        self, meanwhile: Callable[[Stage], None] = lambda stage: None, *, cores: int = 2
    ) -> tuple[Runner, RecordingWatcher, dict[str, bool]]:
        """The runner, the watcher, and which stages ran by title."""
        runner, watcher = Runner(self.store, meanwhile), RecordingWatcher()
        results = self.executor(runner, watcher, cores).run()
        assert [result.stage for result in results] == list(self.plan.stages)
        return runner, watcher, {result.stage.title: result.ran for result in results}

    def executor(self, runner: Runner, watcher: RecordingWatcher, cores: int = 2) -> Executor:
        runtime: Any = Runtime(self.parallel)
        fake: Any = runner
        return Executor(self.plan, self.store, runtime, fake, watcher, cores)


@pytest.fixture(params=[True, False], ids=["parallel", "one_by_one"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    store = Store(tmp_path / "home")
    store.prepare()
    return Bench(small.planned(tmp_path), store, request.param)


def test_every_stage_runs_once_its_teachers_are_done(bench: Bench) -> None:
    runner, watcher, ran = bench.run()
    assert sorted(runner.ran) == sorted(STAGES)
    assert ran == dict.fromkeys(STAGES, True)
    assert sorted(watcher.titles("begin")) == sorted(watcher.titles("end")) == sorted(STAGES)


def test_what_is_stored_is_not_run_again(bench: Bench) -> None:
    bench.run()
    runner, watcher, ran = bench.run()
    assert runner.ran == []
    assert ran == dict.fromkeys(STAGES, False)
    assert watcher.titles("begin") == []
    assert sorted(watcher.titles("end")) == sorted(STAGES)


def test_only_a_stage_whose_outcome_is_damaged_is_run_again(bench: Bench) -> None:
    bench.run()
    student = bench.store.folder(bench.plan.stage("student").digest)
    (student / "outcome" / "answers.safetensors").write_bytes(b"gone")
    runner, watcher, _ = bench.run()
    assert runner.ran == ["student"]
    assert ("begin", "student", 2) in watcher.events, "the second attempt"


def test_threads_are_resolved_at_the_first_attempt_and_kept(bench: Bench) -> None:
    auto = ("student.train.threads=auto", "teachers.wide.threads=auto")
    bench.plan = small.planned(bench.store.home.parent, *auto)

    def fall(stage: Stage) -> None:
        if stage.name == "student":
            raise Unlucky

    with pytest.raises(Unlucky):
        bench.run(fall, cores=16)
    runner, _, _ = bench.run(cores=2)
    kept = runner.resolved[runner.ran.index("student")]
    assert kept["student"] > 1, "as sixteen cores were shared out"
    assert kept["teachers"] == {"wide": kept["student"], "deep": 1}


def test_the_error_of_a_stage_ends_the_run_and_the_same_run_resumes(bench: Bench) -> None:
    def fall(stage: Stage) -> None:
        if stage.name == "teachers.deep":
            raise Unlucky("it fell")

    with pytest.raises(Unlucky, match="it fell"):
        bench.run(fall)
    assert read_outcome(bench.store.folder(bench.plan.stage("student").digest)) is None
    runner, _, ran = bench.run()
    assert "student" in runner.ran
    assert "teachers.deep" in runner.ran
    assert not ran["teachers.wide"] or bench.parallel


def test_stages_of_one_digest_are_run_once(bench: Bench) -> None:
    data = small.recipe()
    data["teachers"]["deep"] = data["teachers"]["wide"]
    for name in ("wide", "deep"):
        data["teachers"][name] = {**data["teachers"][name], "train": {"epochs": 2, "seed": 3}}
    bench.plan = small.planned(bench.store.home.parent, data=data)
    assert len({stage.digest for stage in bench.plan.stages}) == 3
    runner, watcher, ran = bench.run()
    assert sum(title.startswith("teachers.") for title in runner.ran) == 1
    assert sorted(ran.values()) == [False, True, True, True]
    assert sorted(watcher.titles("end")) == sorted(STAGES)


def test_a_missing_outcome_is_an_error(bench: Bench) -> None:
    class Idle(Runner):
        def run(self, *args: Any, **kwargs: Any) -> None:
            """Leaves nothing."""

    with pytest.raises(RuntimeError, match=r"stage 'teachers\.\w+' ended, but its"):
        bench.executor(Idle(bench.store), RecordingWatcher()).run()


def test_missing_answers_cost_an_attempt_with_all_teachers(bench: Bench) -> None:
    class Forgetful(Runner):
        def run(self, stage: Stage, *args: Any, start_all: bool = False) -> None:
            if stage.name == "student" and not start_all:
                raise AnswersGone("they are gone")
            super().run(stage, *args, start_all=start_all)

    runner, watcher = Forgetful(bench.store), RecordingWatcher()
    bench.executor(runner, watcher).run()
    assert "student" in runner.ran
    attempts = [each for each in watcher.events if each[:2] == ("begin", "student")]
    assert [attempt for _, _, attempt in attempts] == [1, 2]
    notice = Warned("student: they are gone; it is run again with all its teachers started")
    assert ("event", "student", notice) in watcher.events


def test_independent_stages_run_in_parallel(tmp_path: Path) -> None:
    store = Store(tmp_path / "home")
    store.prepare()
    both = threading.Barrier(2, timeout=10)

    def meet(stage: Stage) -> None:
        if stage.name.startswith("teachers."):
            both.wait()

    runner, _, _ = Bench(small.planned(tmp_path), store, parallel=True).run(meet)
    assert runner.ran.index("student") > 1


@pytest.mark.parametrize(("filled", "at_once"), [(False, 1), (True, 3)])
def test_students_of_the_same_teachers_run_one_by_one_until_the_bank_is_filled(
    tmp_path: Path, filled: bool, at_once: int
) -> None:
    store = Store(tmp_path / "home")
    store.prepare()
    now: list[str] = []
    most: list[int] = []
    last = threading.Barrier(at_once, timeout=10)

    def meet(stage: Stage) -> None:
        if stage.teachers:
            now.append(stage.title)
            last.wait()
            time.sleep(0.05)
            most.append(len(now))
            last.wait()
            now.remove(stage.title)

    plan = small.planned(tmp_path, repeats=3)
    runner = Runner(store, meet, filled=filled)
    Bench(plan, store, parallel=True).executor(runner, RecordingWatcher(), cores=4).run()
    assert most == [at_once] * 3


def test_a_stage_that_another_process_runs_is_waited_for_and_used(tmp_path: Path) -> None:
    store = Store(tmp_path / "home")
    store.prepare()
    plan = small.planned(tmp_path)
    under_way, go_on = threading.Event(), threading.Event()

    def slowly(stage: Stage) -> None:
        if stage.name == "teachers.wide":
            under_way.set()
            assert go_on.wait(10)

    class Impatient(RecordingWatcher):
        def on_wait(self, stage: Stage) -> None:
            super().on_wait(stage)
            go_on.set()

    other = threading.Thread(target=Bench(plan, store, parallel=False).run, args=(slowly,))
    other.start()
    assert under_way.wait(10)
    runner, watcher = Runner(store), Impatient()
    results = Bench(plan, store, parallel=False).executor(runner, watcher).run()
    other.join()
    assert ("wait", "teachers.wide", None) in watcher.events
    assert "teachers.wide" not in runner.ran
    assert not results[0].ran
    assert results[0].outcome.weights_sha256 == "ab"
