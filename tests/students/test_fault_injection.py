import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from students.fault_injection import Fault, parse_fault


def test_a_fault_names_stage_and_step():
    assert parse_fault("student@37=kill", 5) == Fault("student", 37, 5)
    dotted = parse_fault("controls.single_teachers.wide-2@0=kill", 9)
    assert (dotted.stage, dotted.step) == ("controls.single_teachers.wide-2", 0)


@pytest.mark.parametrize(
    "spelled", ["", "student", "student@x=kill", "student@3", "student@3=crash", "student@-1=kill"]
)
def test_another_form_is_refused(spelled):
    with pytest.raises(ValueError, match="STAGE@STEP=kill"):
        parse_fault(spelled, 1)


def test_it_strikes_the_whole_group_at_its_step_and_at_no_other():
    code = """
        import os, subprocess, sys
        from students.fault_injection import Fault
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        print(child.pid, flush=True)
        fault = Fault("student", 3, os.getpgid(0))
        for step in range(5):
            fault.trigger(step)
            print(step, flush=True)
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
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
