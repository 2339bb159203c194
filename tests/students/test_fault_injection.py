"""Faults happen to the role that is named, at its step, once."""

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from students.fault_injection import VARIABLE, planned_faults
from tests.faults import fault, plan_in, planned


def test_without_a_plan_nothing_is_called(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert planned_faults("student") is None


def test_a_fault_names_role_rank_and_step(tmp_path):
    with planned(tmp_path, fault("student", 3, "raise", rank=1)):
        assert planned_faults("student") is None
        assert planned_faults("controls.untaught", 1) is None
        before = planned_faults("student", 1)
        for step in (0, 1, 2, 4):
            before(step)
        with pytest.raises(RuntimeError, match="a fault was planned here"):
            before(3)


def test_it_happens_once_in_whatever_process_comes_first(tmp_path):
    with planned(tmp_path, fault("teacher wide", 0, "raise"), fault("teacher wide", 5, "memory")):
        first, second = planned_faults("teacher wide"), planned_faults("teacher wide")
        with pytest.raises(RuntimeError):
            first(0)
        second(0)
        with pytest.raises(MemoryError):
            second(5)


@pytest.mark.parametrize(("kind", "error"), [("interrupt", KeyboardInterrupt), ("x", ValueError)])
def test_each_kind_has_its_error_and_another_is_refused(tmp_path, kind, error):
    with planned(tmp_path, fault("student", 1, kind)), pytest.raises(error):
        planned_faults("student")(1)


def test_a_run_is_killed_with_its_whole_group(tmp_path):
    code = """
        import os, subprocess, sys
        from pathlib import Path
        from students.fault_injection import VARIABLE, planned_faults
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        print(child.pid, flush=True)
        Path(os.environ[VARIABLE] + ".group").write_text(str(os.getpgid(0)))
        before = planned_faults("student")
        for step in range(5):
            before(step)
            print(step, flush=True)
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[2]),
            VARIABLE: str(plan_in(tmp_path, fault("student", 3, "kill_run"))),
        },
        start_new_session=True,
        timeout=30,
    )
    child, *steps = ran.stdout.split()
    assert ran.returncode == -9
    assert steps == ["0", "1", "2"]
    # Killed is not yet gone: the kernel takes its moment.
    end = time.monotonic() + 10
    while _lives(child):
        assert time.monotonic() < end, "the child outlived its group"
        time.sleep(0.01)


def _lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
