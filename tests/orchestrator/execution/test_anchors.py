"""Anchors: what a teacher was at the end of earlier epochs, stored beside its outcome."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import pytest

import stillhouse
from cluster.config import ClusterConfig
from orchestrator.execution.session import Session
from orchestrator.home.store import Store
from orchestrator.planning.graph import Graph
from orchestrator.planning.stage import Stage
from students.errors import CheckpointError
from students.events import Committed
from students.specs import MODEL, StageOutput
from students.storage.outcome import VALIDATION, read_logits
from tests import small
from tests.faults import fault, planned
from tests.running import IN_PROCESS, RecordingWatcher

EPOCHS = "teachers.wide.train.epochs=6"
STEPS = 20
"""Of one epoch of the teacher, by its samples and batches."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def wide(home: Path, *epochs: int, overrides: tuple[str, ...] = (EPOCHS,)) -> Stage:
    """The stage of a teacher that leaves anchors after ``epochs``."""
    with Session(home, ClusterConfig(mode="in_process")) as session:
        session.store.prepare()
        graph = stillhouse.plan(small.loaded(home.parent, *IN_PROCESS, *overrides), session)
    anchors = tuple(StageOutput.anchor("", epoch).name for epoch in epochs)
    return replace(graph.stage("teachers.wide"), extras=anchors)


def run(home: Path, stage: Stage, watcher: RecordingWatcher | None = None) -> RecordingWatcher:
    """Runs the stage alone."""
    watcher = watcher or RecordingWatcher()
    with Session(home, ClusterConfig(mode="in_process")) as session:
        session.submit(graph_of(stage), watcher).result()
    return watcher


def interrupt(home: Path, stage: Stage, epochs: int) -> None:
    """Runs the stage alone, until some steps after so many epochs."""
    step = epochs * STEPS + 3
    interrupted = fault("teachers.wide", step, "interrupt")
    with planned(home.parent, interrupted), pytest.raises(KeyboardInterrupt):
        run(home, stage)


def graph_of(stage: Stage) -> Graph:
    return Graph("teacher", (stage,), stage.data, tests=False)


def trained(watcher: RecordingWatcher) -> int:
    """How many attempts there were."""
    return len(watcher.titles("begin"))


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Content and time of each file."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def weights(home: Path, stage: Stage, epoch: int) -> bytes:
    store = Store(home)
    output = StageOutput.anchor(stage.digest, epoch)
    assert store.outcome(output) is not None
    return Path(store.weights(output).path).read_bytes()


def test_anchors_are_not_in_a_digest(home: Path) -> None:
    assert wide(home).digest == wide(home, 2, 4).digest


def test_an_anchor_is_the_teacher_that_stops_there_bit_for_bit(home: Path) -> None:
    stage = wide(home, 2)
    assert trained(run(home, stage)) == 1
    early = wide(home, overrides=(EPOCHS, "teachers.wide.train.stop_epoch=2"))
    assert early.digest != stage.digest
    run(home, early)
    store = Store(home)
    assert (
        weights(home, stage, 2) == Path(store.weights(StageOutput(early.digest)).path).read_bytes()
    )
    anchor = store.outcome(StageOutput.anchor(stage.digest, 2))
    stopped, last = store.outcomes(early.digest)[MODEL], store.outcomes(stage.digest)[MODEL]
    assert anchor is not None
    assert anchor.weights_sha256 == stopped.weights_sha256 != last.weights_sha256
    logits = [
        read_logits(store.folder(digest), name, VALIDATION)
        for digest, name in ((stage.digest, "anchor.2"), (early.digest, MODEL))
    ]
    assert logits[0] is not None
    assert logits[0].equal(logits[1])


def test_leaving_anchors_changes_no_bit_of_the_teacher(home: Path, tmp_path: Path) -> None:
    run(home, wide(home, 1, 5))
    run(tmp_path / "other", wide(tmp_path / "other"))
    digest = wide(home).digest
    first, second = (Store(each).outcomes(digest)[MODEL] for each in (home, tmp_path / "other"))
    assert first.weights_sha256 == second.weights_sha256
    assert [each.loss for each in first.curve] == [each.loss for each in second.curve]


def test_adding_anchors_to_a_finished_teacher_changes_no_file_of_it_and_trains_it_once_more(
    home: Path,
) -> None:
    run(home, wide(home))
    stage = wide(home, 1, 3, 5)
    folder = Store(home).folder(stage.digest)
    before = files(folder)
    assert not Store(home).finished(stage)
    watcher = run(home, stage)
    assert trained(watcher) == 1
    after = files(folder)
    assert {name: after[name] for name in before} == before
    new = {Path(name).parts[:2] for name in after.keys() - before.keys()}
    assert new == {("extras", f"anchor.{epoch}") for epoch in (1, 3, 5)}
    assert Store(home).finished(stage)
    assert not any(isinstance(event, Committed) for _, _, event in watcher.events), (
        "a tracker would take them for commits of the stage's own step log"
    )
    assert trained(run(home, stage)) == trained(run(home, wide(home, 3))) == 0


def test_an_anchor_survives_a_kill_after_it(home: Path) -> None:
    stage = wide(home, 2)
    interrupt(home, stage, 4)
    assert trained(run(home, stage)) == 1
    undisturbed = home.parent / "undisturbed"
    run(undisturbed, stage)
    assert weights(home, stage, 2) == weights(undisturbed, stage, 2)


def test_the_training_beside_the_outcome_resumes_too(home: Path) -> None:
    run(home, wide(home))
    stage = wide(home, 1, 5)
    interrupt(home, stage, 3)
    assert not Store(home).finished(stage)
    watcher = run(home, stage)
    steps = [event.step for what, _, event in watcher.events if hasattr(event, "total_steps")]
    assert steps == [3 * STEPS]
    undisturbed = home.parent / "undisturbed"
    run(undisturbed, stage)
    for epoch in (1, 5):
        assert weights(home, stage, epoch) == weights(undisturbed, stage, epoch)


def test_a_teacher_resumed_from_behind_a_new_anchor_is_trained_once_more(home: Path) -> None:
    interrupt(home, wide(home), 4)
    stage = wide(home, 2, 5)
    assert trained(run(home, stage)) == 2
    assert Store(home).finished(stage)


def test_anchors_of_other_weights_are_refused(home: Path, tmp_path: Path) -> None:
    stage = wide(home)
    other = wide(home, overrides=(EPOCHS, "teachers.wide.train.seed=3"))
    run(home, stage)
    run(home, other)
    store = Store(home)
    for name in ("outcome", "checkpoints"):
        source = store.folder(other.digest) / name
        copytree(source, store.folder(stage.digest) / name, dirs_exist_ok=True)
    before = files(store.folder(stage.digest) / "outcome")
    with pytest.raises(CheckpointError, match=r"again for anchor\.3, but has ended with"):
        run(home, replace(stage, extras=("anchor.3",)))
    assert files(store.folder(stage.digest) / "outcome") == before
    assert not (store.folder(stage.digest) / "extras").exists()


def test_two_sessions_may_want_different_anchors_of_one_teacher_at_once(home: Path) -> None:
    wanted = [wide(home, 1, 3), wide(home, 2), wide(home, 3)]
    watchers = [RecordingWatcher() for _ in wanted]
    with Session(home, ClusterConfig(mode="in_process")) as session:
        futures = [
            session.submit(graph_of(stage), watcher)
            for stage, watcher in zip(wanted[:2], watchers, strict=False)
        ]
        other = threading.Thread(target=run, args=(home, wanted[2], watchers[2]))
        other.start()
        for future in futures:
            future.result()
        other.join()
    assert all(Store(home).finished(stage) for stage in wanted)
    assert sum(map(trained, watchers)) <= 3


def test_a_damaged_anchor_is_made_again(home: Path) -> None:
    stage = wide(home, 2)
    run(home, stage)
    file = Path(Store(home).weights(StageOutput.anchor(stage.digest, 2)).path)
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    assert not Store(home).finished(stage)
    assert trained(run(home, stage)) == 1
    assert file.read_bytes() == whole
