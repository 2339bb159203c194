"""Every role of a run is killed once and stopped once: the command ends by itself, with the student
of an undisturbed run, each metric once, and the right role named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from students.fault_injection import VARIABLE
from tests import small
from tests.running import EACH_STEP, Command, finished, metrics

pytestmark = pytest.mark.slow

STEPS = 240
SETTINGS = (
    "student.train.epochs=60", "controls=[]", "teachers.deep=null", EACH_STEP,
)  # fmt: skip
FAULTS: list[dict[str, Any]] = [
    {"role": "teacher wide", "step": 20, "kind": "kill"},
    {"role": "teacher wide", "step": 60, "kind": "stop"},
    {"role": "student", "rank": 0, "step": 80, "kind": "kill"},
    {"role": "student", "rank": 1, "step": 110, "kind": "kill"},
    {"role": "student", "rank": 0, "step": 140, "kind": "stop"},
    {"role": "student", "rank": 1, "step": 170, "kind": "stop"},
    {"role": "student", "rank": 1, "step": 200, "kind": "memory"},
]
"""In the order in which they happen. A teacher ends with the attempt that asks it, so it is stopped
long before a rank is killed: it has answered two ranks 80 times then, for 40 steps at most."""
SECONDS = 400
"""Each stopped role is found within 15 s, and started again in some seconds, on a busy machine."""


@dataclass(frozen=True)
class Recovered:
    """A run that was disturbed: its home, what it has printed, and its JSON."""

    home: Path
    said: str
    object: Any


@pytest.fixture(scope="module")
def recovered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recovered]:
    folder = tmp_path_factory.mktemp("recovered")
    plan, home = folder / "plan", folder / "home"
    plan.write_text(json.dumps(FAULTS))
    limits = ("timeouts.rank=15s", "timeouts.teacher=15s", "timeouts.collective=60s")
    arguments = ["run", str(small.written(folder)), *SETTINGS, *limits]
    arguments += ["student.engine.ranks=2", "ensemble.bank=none", "--home", str(home)]
    with Command(*arguments, folder=folder, **{VARIABLE: str(plan)}) as run:
        assert run.ends(SECONDS) == 0, run.said()
        [report] = (home / "runs").glob("*/report.json")
        yield Recovered(home, run.said(), json.loads(report.read_bytes()))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("undisturbed")
    small.written(folder)
    return finished(folder, folder / "home", *SETTINGS, "ensemble.bank=none")


@pytest.mark.timeout(2 * SECONDS)
def test_the_student_is_that_of_an_undisturbed_run(recovered: Recovered, undisturbed: Any) -> None:
    expected = undisturbed.object["student"]["weights_sha256"]
    assert recovered.object["student"]["weights_sha256"] == expected


@pytest.mark.timeout(2 * SECONDS)
def test_each_failure_names_its_role_and_what_decided(recovered: Recovered) -> None:
    said = recovered.object["failures"]
    for role, what, setting in (
        ("student, rank 0", "was lost", ""),
        ("student, rank 1", "was lost", ""),
        ("student, rank 0", "was silent", "`timeouts.rank`"),
        ("student, rank 1", "was silent", "`timeouts.rank`"),
        ("teacher wide", "was silent", "`timeouts.teacher`"),
        ("student, rank 1", "ran out of memory", ""),
    ):
        assert any(each.startswith(f"{role} {what}") and setting in each for each in said), (
            "\n".join(said)
        )
    assert all(each in recovered.said for each in said)
    # A teacher that was killed is asked again at the student's position, without a new attempt.
    assert "restarting teacher 'wide'" in recovered.said
    assert not any(each.startswith("teacher wide was lost") for each in said)


@pytest.mark.timeout(2 * SECONDS)
def test_each_metric_is_in_mlflow_once(recovered: Recovered) -> None:
    [digest] = (s["digest"] for s in recovered.object["stages"] if s["name"] == "student")
    logged = metrics(recovered.home, digest)
    assert {at: values for at, values in logged.items() if len(values) != 1} == {}
    assert sorted(step for name, step in logged if name == "loss") == list(range(STEPS))
