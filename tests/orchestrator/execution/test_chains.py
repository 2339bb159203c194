"""Chains of stages, run: each model is taught by the one before, and nothing is run twice."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import stillhouse
from cluster.runtime import Demand, Handle, Place
from orchestrator.execution.session import Session
from orchestrator.home.store import Store
from students.storage.outcome import weights_file
from students.training.student_rank import StudentRank
from tests import small
from tests.orchestrator.execution.fake_stages import ParallelRuntime
from tests.orchestrator.planning.test_schedules import (
    CONTROLS,
    SMALLER,
    SMALLEST,
    generations,
    path,
    two_stages,
)
from tests.running import (
    IN_PROCESS,
    Finished,
    RecordingWatcher,
    copy_of,
    finished,
    tags_of,
    undisturbed,
)


class CountingRuntime(ParallelRuntime):
    """Counts, whenever a rank starts, the places that are held, by the stage that holds them."""

    def __init__(self) -> None:
        super().__init__()
        self.held: set[Place] = set()
        self.places: dict[Handle[Any], Place] = {}
        self.at_start: dict[str, Counter[str]] = {}

    def reserve(
        self, name: str, demands: Sequence[Demand], stopping: threading.Event | None = None
    ) -> tuple[Place, ...]:
        taken = super().reserve(name, demands, stopping)
        self.held.update(taken)
        return taken

    def release(self, place: Place) -> None:
        self.held.discard(place)

    def start(self, where: Any, name: str, role: Any, *args: Any, **kwargs: Any) -> Any:
        handle: Handle[Any] = super().start(where, name, role, *args, **kwargs)
        self.places[handle] = where
        if role is StudentRank:
            self.at_start[name] = Counter(place.name for place in self.held)
        return handle

    def retire(self, handle: Handle[Any]) -> None:
        super().retire(handle)
        self.held.discard(self.places[handle])


TRAIN = "{epochs: 20, threads: 1, optimizer: {lr: 0.1}}"
FIRST, SECOND = (f"{{model: {model}, train: {TRAIN}}}" for model in (SMALLER, SMALLEST))
"""Trained for longer than the student, so that they know more than chance."""


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The undisturbed run's teachers, then an assistant between them and the student."""
    first = undisturbed(tmp_path_factory)
    home = copy_of(first.home, tmp_path_factory.mktemp("chain"))
    return finished(first.folder, home, path(FIRST), CONTROLS)


def test_the_report_has_the_assistants_by_their_number(chain: Finished) -> None:
    assert chain.ran() == ["assistants.1", "student"], "direct is the student of before"
    [(number, assistant)] = chain.object["assistants"].items()
    assert number == "1"
    assert assistant["role"] == "assistant"
    assert assistant["parameters"] > chain.object["student"]["parameters"]
    assert set(assistant["latency_ms"]) == {"1", "64"}
    assert "assistant 1" in Path(chain.object["artifacts"]["report.md"]).read_text()


def test_the_student_is_taught_by_the_assistant_alone(
    chain: Finished, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert list(chain.object["teaching"]["teachers"]) == ["assistants.1"]
    direct = undisturbed(tmp_path_factory).object["student"]["weights_sha256"]
    assert chain.object["controls"]["direct"]["weights_sha256"] == direct
    assert chain.object["student"]["weights_sha256"] != direct


def test_each_stage_of_a_chain_is_a_nested_run_with_its_teachers_digests(chain: Finished) -> None:
    digests = {stage["name"]: stage["digest"] for stage in chain.object["stages"]}
    assistant, student = (tags_of(chain.home, digests[n]) for n in ("assistants.1", "student"))
    assert assistant["mlflow.parentRunId"] == student["mlflow.parentRunId"]
    teachers = {f"stillhouse.teacher.{n}": digests[f"teachers.{n}"] for n in ("wide", "deep")}
    assert teachers.items() <= assistant.items()
    taught = {name: digest for name, digest in student.items() if ".teacher." in name}
    assert taught == {"stillhouse.teacher.assistants.1": digests["assistants.1"]}


def test_the_page_shows_the_graph_and_the_accuracy_along_the_chain(chain: Finished) -> None:
    needs = {stage["name"]: stage["needs"] for stage in chain.object["stages"]}
    assert needs["assistants.1"] == ["teachers.wide", "teachers.deep"]
    assert needs["student"] == ["assistants.1"]
    assert {"stages.png", "chain_accuracy.png"} <= set(chain.object["artifacts"])


def test_a_longer_path_runs_only_the_rest(chain: Finished, tmp_path: Path) -> None:
    home = copy_of(chain.home, tmp_path)
    longer = finished(chain.folder, home, path(FIRST, SECOND), CONTROLS)
    assert longer.ran() == ["assistants.2", "student"]
    assert list(longer.object["assistants"]) == ["1", "2"]
    first, before = (each.object["assistants"]["1"] for each in (longer, chain))
    assert first["weights_sha256"] == before["weights_sha256"]
    assert first["test"] == before["test"]


STUDENT = (
    "student.model={kind: plain_cnn, channels: [4, 4, 4]}",
    "student.objective={task: 0.1, soft_targets: 0.9}",
)
FIRST_LAYER = "{objective: {near: {kind: hint, teacher: deep, hint: stage1, guided: stage1}}}"


@pytest.mark.slow
def test_the_second_of_two_stages_starts_from_the_first_and_keeps_what_is_frozen(
    chain: Finished, tmp_path: Path
) -> None:
    home = copy_of(chain.home, tmp_path)
    two = finished(chain.folder, home, two_stages(FIRST_LAYER, "[stage1]"), *STUDENT, CONTROLS)
    assert two.ran() == ["first_stage", "student", "controls.untaught", "controls.direct"]
    store, digests = Store(home), two.digests()
    first, student, direct = (
        load_file(weights_file(store.folder(digests[name])))
        for name in ("first_stage", "student", "controls.direct")
    )
    same = {name for name in student if torch.equal(student[name], first[name])}
    assert same == {name for name in student if name.startswith("stage1.")}
    assert not torch.equal(direct["stage1.conv1.weight"], first["stage1.conv1.weight"])
    unfrozen = finished(chain.folder, home, two_stages(FIRST_LAYER, "[]"), *STUDENT, CONTROLS)
    assert unfrozen.ran() == ["student"]
    assert (two.object["first_stage"]["role"], two.object["assistants"]) == ("first_stage", {})
    report = Path(two.object["artifacts"]["report.md"]).read_text()
    assert "first stage" in report
    assert "could not be drawn" not in report


def test_a_chain_holds_the_roles_of_one_stage_at_a_time(
    chain: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a runtime on which stages may work at the same time; no role outlives its stage."""
    runtime = CountingRuntime()
    monkeypatch.setattr("orchestrator.execution.session.build_runtime", lambda *_, **__: runtime)
    home = copy_of(chain.home, tmp_path)
    by_labels = f"train: {TRAIN}, objective: {{task: 1.0, soft_targets: 0.1}}"
    models = (SMALLER, SMALLEST, "{kind: mlp, hidden: [20]}")
    entries = (f"{{model: {model}, {by_labels}}}" for model in models)
    settings = (path(*entries), "controls=[]", "ensemble.bank=none")
    loaded = small.loaded(tmp_path, *IN_PROCESS, *settings)
    with Session(home, loaded.recipe.cluster) as session:
        graph = stillhouse.plan(loaded, session)
        session.submit(graph, RecordingWatcher()).result()
    assert runtime.at_start == {
        "assistants.1, rank 0": {"assistants.1": 3},
        "assistants.2, rank 0": {"assistants.2": 2},
        "assistants.3, rank 0": {"assistants.3": 2},
        "student, rank 0": {"student": 2},
    }, "a rank, and the teachers that it asks"
    assert runtime.held == set()


def test_generations_are_reported_with_their_ensemble(
    chain: Finished, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = copy_of(chain.home, tmp_path_factory.mktemp("generations"))
    train = ("student.train.epochs=20", "controls=[]")
    born = finished(chain.folder, home, generations(2), *train)
    assert born.ran() == ["generations.1", "student"]
    first, student = born.object["generations"]["1"], born.object["student"]
    assert (first["parameters"], first["role"]) == (student["parameters"], "generation")
    assert first["weights_sha256"] != student["weights_sha256"]
    both = born.object["generations_ensemble"]
    assert both["parameters"] == 2 * student["parameters"]
    assert both["test"]["nll"] < max(each["test"]["nll"] for each in (first, student))
