"""What is committed can be read, whatever happens around it."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from students.engines.state_tensors import EngineState
from students.errors import CheckpointError, StaleAttempt
from students.storage.attempts import begin_attempt
from students.storage.checkpoint import CheckpointFolder
from students.storage.step_log import StepLogWriter


def state_of(number: float, weights: int = 6) -> EngineState:
    return EngineState(
        {"net.weight": torch.full((2, weights // 2), number), "net.count": torch.tensor(3)},
        {
            "exp_avg": {"net.weight": torch.ones(2, weights // 2)},
            "step": {"net.weight": torch.tensor(9.0)},
        },
    )


def same(one: EngineState, other: EngineState) -> bool:
    def flat(state):
        slots = {f"{s}:{n}": v for s, values in state.optimizer.items() for n, v in values.items()}
        return {**state.module, **slots}

    a, b = flat(one), flat(other)
    return a.keys() == b.keys() and all(
        torch.equal(a[n], b[n]) and a[n].dtype == b[n].dtype for n in a
    )


@pytest.fixture
def stage(tmp_path):
    return tmp_path / "stage"


@pytest.fixture
def folder(stage):
    return CheckpointFolder(stage, begin_attempt(stage), keep=2)


def test_attempts_are_counted_from_one(stage):
    assert [begin_attempt(stage) for _ in range(3)] == [1, 2, 3]


def test_a_new_stage_has_no_checkpoint(folder):
    assert folder.latest() is None


def test_a_committed_checkpoint_is_read_back(folder):
    path = folder.commit(state_of(1.5), {"epoch": 2, "sums": [1, "x"]}, step=123)
    found = folder.latest()
    assert path.name == "step-000123"
    assert (found.step, found.progress) == (123, {"epoch": 2, "sums": [1, "x"]})
    assert same(found.load(), state_of(1.5))


def test_an_optimizer_without_slots_is_read_back(folder):
    folder.commit(EngineState({"w": torch.ones(2)}), {}, step=1)
    assert folder.latest().load().optimizer == {}


def test_the_newest_are_kept_and_nothing_else_remains(stage, folder):
    for step in (10, 20, 30):
        folder.commit(state_of(step), {}, step=step)
    names = sorted(path.name for path in (stage / "checkpoints").iterdir())
    assert names == ["LATEST", "step-000020", "step-000030"]
    assert folder.latest().step == 30


def test_a_stale_attempt_commits_nothing(stage, folder):
    folder.commit(state_of(1), {}, step=10)
    begin_attempt(stage)
    before = sorted((stage / "checkpoints").rglob("*"))
    with pytest.raises(StaleAttempt, match=r"attempt 1 .* attempt 2 has begun"):
        folder.commit(state_of(2), {}, step=20)
    with pytest.raises(StaleAttempt):
        folder.latest()
    assert sorted((stage / "checkpoints").rglob("*")) == before


@pytest.mark.parametrize("file", ["model.safetensors", "optimizer.safetensors", "manifest.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(folder, file, damage):
    folder.commit(state_of(1), {}, step=10)
    broken = folder.commit(state_of(2), {}, step=20) / file
    content = bytearray(broken.read_bytes())
    if damage == "remove":
        broken.unlink()
    else:
        content[0] ^= 0xFF
        broken.write_bytes(content if damage == "flip" else content[: len(content) // 2])
    warnings = []
    found = folder.latest(warnings.append)
    assert found.step == 10
    assert same(found.load(), state_of(1))
    assert len(warnings) == 1
    assert "step-000020 is passed over" in warnings[0]
    folder.commit(state_of(3), {}, step=20)
    assert same(folder.latest().load(), state_of(3))


def test_a_folder_that_was_never_named_latest_is_not_committed(stage, folder):
    folder.commit(state_of(1), {}, step=10)
    folder.commit(state_of(2), {}, step=20)
    (stage / "checkpoints" / "LATEST").write_text("step-000010")
    assert folder.latest().step == 10
    folder.commit(state_of(3), {}, step=15)
    assert folder.latest().step == 15
    assert not (stage / "checkpoints" / "step-000020").exists()


def test_without_latest_the_newest_intact_one_is_taken(stage, folder):
    folder.commit(state_of(1), {}, step=10)
    (stage / "checkpoints" / "LATEST").unlink()
    assert folder.latest().step == 10


def test_unfinished_folders_of_earlier_attempts_are_removed(stage, folder):
    folder.commit(state_of(1), {}, step=10)
    (stage / "checkpoints" / ".tmp-step-000020-1").mkdir()
    again = CheckpointFolder(stage, begin_attempt(stage), keep=2)
    assert again.latest().step == 10
    assert not (stage / "checkpoints" / ".tmp-step-000020-1").exists()


def test_the_manifest_describes_what_was_written(folder):
    path = folder.commit(state_of(1), {"epoch": 1}, step=10)
    manifest = json.loads((path / "manifest.json").read_text())
    assert (manifest["step"], manifest["attempt"]) == (10, 1)
    assert (
        manifest["files"]["model.safetensors"]["bytes"]
        == (path / "model.safetensors").stat().st_size
    )
    assert set(manifest["versions"]) == {"python", "torch", "safetensors"}


# A limit on the size of files makes the kernel refuse a write as a full disk does, everywhere and
# without privileges; it holds for a whole process, so the commit runs in one of its own.
_REFUSED = """
    import resource, sys, torch
    from pathlib import Path
    from students.storage.checkpoint import CheckpointFolder
    from students.engines.state_tensors import EngineState
    from students.errors import CheckpointError
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    try:
        folder = CheckpointFolder(Path(sys.argv[1]), 1, 1)
        folder.commit(EngineState({"w": torch.ones(50_000)}), {}, step=20)
    except CheckpointError as error:
        print(error)
"""


def test_a_write_that_the_disk_refuses_leaves_the_last_commit(stage, folder):
    folder.commit(state_of(1), {}, step=10)
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_REFUSED), str(stage)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        timeout=60,
    )
    assert "step-000020 cannot be written (File too large); make room" in ran.stdout, ran.stderr
    names = sorted(path.name for path in (stage / "checkpoints").iterdir())
    assert names == ["LATEST", "step-000010"]
    assert same(folder.latest().load(), state_of(1))


def test_a_disk_that_is_full_leaves_the_last_commit(stage, folder, monkeypatch):
    folder.commit(state_of(1), {}, step=10)

    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("students.storage.attempts.write_folder", full)
    with pytest.raises(CheckpointError, match=r"No space left on device\); make room"):
        folder.commit(state_of(2), {}, step=20)
    assert folder.latest().step == 10


def test_a_checkpoint_whose_part_of_the_step_log_is_damaged_is_passed_over(stage):
    sentences = []
    with StepLogWriter(stage, begin_attempt(stage)) as step_log:
        folder = CheckpointFolder(stage, step_log.attempt, keep=2)
        for step in (1, 2):
            step_log.write_step(step, {"loss": float(step)})
            segments = [(step_log.attempt, step_log.commit_point())]
            folder.commit(state_of(step), {"segments": segments}, step=step)
    assert folder.latest().step == 2
    lines = step_log.path.read_bytes().splitlines(keepends=True)
    step_log.path.write_bytes(lines[0])
    assert folder.latest(sentences.append).step == 1
    assert "has no end of a line" in sentences[0]
    step_log.path.unlink()
    assert folder.latest() is None, "training begins again"


@pytest.mark.parametrize("content", [b"", b"null", b'{"attempt": 7, "checksum": "0"}', None])
def test_a_damaged_count_of_attempts_follows_from_the_step_logs(stage, content, caplog):
    for _ in range(3):
        StepLogWriter(stage, begin_attempt(stage)).close()
    file = stage / "attempt.json"
    file.unlink()
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    assert begin_attempt(stage) == 4
    assert "attempt.json` is damaged" in caplog.text
    assert begin_attempt(stage) == 5
