"""Claims about the parity gate: one choice, one verdict; a wrong teacher ends the run."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from cluster.in_process import InProcessRuntime
from cluster.runtime import Demand, Handle
from orchestrator.execution.parity_gate import admit, choose_config
from orchestrator.execution.stage_teacher import StageTeacher
from orchestrator.home.store import Store
from orchestrator.planning.graph import Graph
from students.knowledge import LOGITS
from students.models.build import build_model
from students.models.in_a_row import Mlp
from students.models.network import Network, Preprocess
from students.specs import MODEL
from students.storage.attempts import begin_attempt
from students.storage.outcome import FinishedModel, Outcome, write_outcome
from students.transfer_sets.catalog import load_transfer_set
from students.transfer_sets.config import Digits
from students.transfer_sets.transfer_set import TransferSet
from teachers.config import BankConfig
from teachers.errors import TeacherError
from teachers.inference.inference_config import InferenceConfig, plain
from teachers.inference.teacher import Teacher
from teachers.qualification.records import (
    RECORD_FILES,
    Tuning,
    Verdict,
    read_record,
    store_config,
)
from teachers.serving.host import TeacherHost, TeacherSpec
from tests import small

NET = Mlp(hidden=(32,))
CONFIG = plain(1)
WEIGHTS, ALL = "digits.safetensors", "all.safetensors"


def recipe(**teacher: Any) -> dict[str, Any]:
    """One teacher that was trained elsewhere, and one beside it that covers all classes."""
    model = {"kind": "mlp", "hidden": [32]}
    beside = {"model": model, "weights": ALL, "threads": 1}
    return {
        "name": "gate",
        "transfer_set": {"kind": "digits"},
        "teachers": {
            "wide": {"model": model, "weights": WEIGHTS, "threads": 1} | teacher,
            "beside": beside,
        },
        "student": {"model": {"kind": "mlp", "hidden": [8]}, "objective": {"soft_targets": {}}},
    }


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    """The weights of a network trained on the digits."""
    folder = tmp_path_factory.mktemp("taught")
    data = load_transfer_set(Digits(), folder=folder, cache=folder)
    model = build_model(NET, input_shape=data.shape, classes=10, seed=0, folder=folder)
    first = Preprocess(NET.preprocessing, mean=data.mean, std=data.std)
    batch = data.batch(data.student_ids, 0)
    network, optimizer = Network(first, model), torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(40):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(batch.inputs), batch.targets).backward()
        optimizer.step()
    return {name: value.detach() for name, value in model.state_dict().items()}


@dataclass
class Gate:
    """A teacher of a stage, running."""

    graph: Graph
    store: Store
    transfer_set: TransferSet
    handle: Handle[TeacherHost]
    top_k: int | None = None

    def teacher(self, temperature: float = 4.0) -> StageTeacher:
        stage = self.graph.stage("student")
        bank = BankConfig(top_k=self.top_k or "none")
        ensemble = stage.ensemble.model_copy(update={"temperature": temperature, "bank": bank})
        stage = replace(stage, ensemble=ensemble)
        return StageTeacher(stage, stage.teachers[0], self.store, self.transfer_set)

    @property
    def folder(self) -> Path:
        return self.teacher().folder

    def choose_config(self) -> InferenceConfig:
        return choose_config(self.teacher(), self.handle, 1)

    def admitted(self, temperature: float = 4.0, inference: InferenceConfig = CONFIG) -> bool:
        return self.teacher(temperature).is_admitted(inference)

    def admit(self) -> Any:
        return admit(self.teacher(), self.handle, CONFIG)


@pytest.fixture
def gate(tmp_path: Path, in_process_runtime: InProcessRuntime, taught: dict[str, Tensor]):  # type: ignore[no-untyped-def]
    def made(weights: dict[str, Tensor] = taught, **teacher: Any) -> Gate:
        safetensors.torch.save_file(weights, tmp_path / WEIGHTS)
        safetensors.torch.save_file(taught, tmp_path / ALL)
        graph = small.planned(tmp_path, data=recipe(**teacher))
        store = Store(tmp_path / "home")
        data = load_transfer_set(graph.data.transfer_set, folder=tmp_path, cache=tmp_path)
        for ref in graph.stage("student").teachers:
            folder = store.folder(ref.stage)
            model = FinishedModel(Outcome("ab", 1, 1000, 1), {}, torch.zeros(1, 2))
            write_outcome(folder, begin_attempt(folder), {MODEL: model})
        gate = Gate(graph, store, data, None)  # type: ignore[arg-type]
        gate.teacher().prepare()
        gate.handle = in_process_runtime.start(
            Demand(), "teacher wide", TeacherHost, gate.teacher().spec(1)
        )
        return gate

    return made


def test_a_good_teacher_passes_once_and_is_not_asked_again_for_another_temperature(gate) -> None:  # type: ignore[no-untyped-def]
    at = gate()
    assert not at.admitted()
    verdict = at.admit()
    assert verdict.passes
    assert verdict.deterministic
    # The probe and plain fp32 are the same computation here, but for rounding to float16.
    assert 0 < verdict.fidelity.mean_kl < 1e-6
    assert verdict.fidelity.same_argmax == 1.0
    assert verdict.plausibility.accuracy > 0.8
    assert read_record(at.folder, Verdict) == verdict
    assert at.admitted(4.0) and at.admitted(1.0) and at.admitted(20.0)
    assert not at.admitted(inference=plain(2)), "run in another way it is another teacher"


def test_classes_in_another_order_end_the_run(gate, taught: dict[str, Tensor]) -> None:  # type: ignore[no-untyped-def]
    last = list(taught)[-2:]
    at = gate({n: value.roll(1, 0) if n in last else value for n, value in taught.items()})
    with pytest.raises(TeacherError, match="classes in another order") as caught:
        at.admit()
    assert caught.value.path == "teachers.wide"
    assert not at.admitted()
    assert not read_record(at.folder, Verdict).passes


def of_classes(taught: dict[str, Tensor], *classes: int) -> dict[str, Tensor]:
    """The same network with the outputs of these classes alone."""
    last = list(taught)[-2:]
    return {n: v[list(classes)].clone() if n in last else v for n, v in taught.items()}


def test_a_specialist_is_judged_by_samples_of_its_classes(gate, taught: dict[str, Tensor]) -> None:  # type: ignore[no-untyped-def]
    verdict = gate(of_classes(taught, 9, 3, 5), classes=[9, 3, 5]).admit()
    assert str(verdict) == "passed"
    assert verdict.plausibility.accuracy > 0.8
    assert 0 < verdict.plausibility.samples < 60, "of 134 validation samples"


def test_a_class_map_in_another_order_is_caught_and_the_right_one_named(  # type: ignore[no-untyped-def]
    gate, taught: dict[str, Tensor]
) -> None:
    said = "where its class 3 is 9, 5 is 3, 9 is 5; set `teachers.wide.classes` to \\[9, 3, 5\\]"
    with pytest.raises(TeacherError, match=said):
        gate(of_classes(taught, 9, 3, 5), classes=[3, 5, 9]).admit()


def test_a_class_map_of_other_classes_is_caught(gate, taught: dict[str, Tensor]) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(TeacherError, match=r"check `teachers\.wide\.classes`, give it other"):
        gate(of_classes(taught, 9, 3, 5), classes=[0, 6, 4]).admit()


@pytest.mark.parametrize("wrong", [0, 4])
def test_a_class_of_a_map_that_is_hardly_ever_predicted_gives_a_warning(  # type: ignore[no-untyped-def]
    gate, taught: dict[str, Tensor], caplog: pytest.LogCaptureFixture, wrong: int
) -> None:
    meant, said = [9, 3, 5, 2, 7, 8], [9, 3, 5, 2, 7, wrong]
    at = gate(of_classes(taught, *meant), classes=said)
    with caplog.at_level(logging.WARNING, "stillhouse"):
        verdict = at.admit()
    assert verdict.passes, "it may be weakness as well"
    assert f"`teachers.wide.classes` may be mistaken about class {wrong}: " in caplog.text
    assert str(verdict) == "passed, with doubts"
    assert read_record(at.folder, Verdict) == verdict


def test_the_class_map_that_the_message_names_passes(  # type: ignore[no-untyped-def]
    gate, taught: dict[str, Tensor]
) -> None:
    order = [*range(1, 10), 0]
    with pytest.raises(TeacherError, match=r"class 0 is 1, .*set `teachers\.wide\.classes` to"):
        gate(of_classes(taught, *order)).admit()
    assert gate(of_classes(taught, *order), classes=order).admit().passes


def test_another_normalisation_ends_the_run(gate) -> None:  # type: ignore[no-untyped-def]
    wrong = {"kind": "mlp", "hidden": [32], "preprocessing": {"mean": [1.0], "std": [0.1]}}
    with pytest.raises(TeacherError, match="the transfer set's own mean and std; set it to"):
        gate(model=wrong).admit()


def test_random_weights_end_the_run_or_give_a_warning(  # type: ignore[no-untyped-def]
    gate, taught: dict[str, Tensor], caplog: pytest.LogCaptureFixture
) -> None:
    generator = torch.Generator().manual_seed(0)
    random = {n: torch.randn(v.shape, generator=generator) for n, v in taught.items()}
    with pytest.raises(TeacherError, match="where chance alone gives"):
        gate(random).admit()
    at = gate(random, gate="warn")
    with caplog.at_level(logging.WARNING, "stillhouse"):
        assert not at.admit().passes
    assert "where chance alone gives" in caplog.text
    assert at.admitted()


def test_a_teacher_with_noise_of_its_own_ends_the_run(  # type: ignore[no-untyped-def]
    gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = Teacher.answer
    count = iter(range(100))

    def noisy(self: Teacher, inputs: Tensor, taps: Any = ()) -> Any:
        found = answer(self, inputs, taps)
        return type(found)({LOGITS: found.logits + np.float16(next(count))})

    monkeypatch.setattr(Teacher, "answer", noisy)
    with pytest.raises(TeacherError, match="other answers in another batch"):
        gate().admit()


def test_without_labels_it_is_judged_by_fidelity_alone(gate, taught: dict[str, Tensor]) -> None:  # type: ignore[no-untyped-def]
    at = gate()
    bare = at.transfer_set.config.model_copy(update={"validation": "none", "labelled": 0.0})
    at.transfer_set = load_transfer_set(bare, folder=at.store.home, cache=at.store.home)
    at.teacher().prepare()
    verdict = at.admit()
    assert verdict.plausibility is None
    assert str(verdict) == "passed (no labels)"


class Ending(nn.Module):
    """A model, and what comes after it."""

    def __init__(self, model: nn.Module, ending: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.model, self.ending = model, ending

    def forward(self, x: Tensor) -> Tensor:
        return self.ending(self.model(x))


@pytest.fixture
def ending_in(gate, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Makes a good teacher whose model ends in a function."""

    def made(ending: Callable[[Tensor], Tensor], **teacher: Any) -> Gate:
        def load(spec: TeacherSpec, transfer_set: TransferSet) -> Network:
            network = own(spec, transfer_set)
            return Network(network.preprocess, Ending(network.model, ending)).eval()

        own = TeacherSpec.load_network
        monkeypatch.setattr(TeacherSpec, "load_network", load)
        return gate(**teacher)

    return made


PROBABILITIES = {
    "softmax": lambda z: z.softmax(1),
    "softmax in percent": lambda z: 100 * z.softmax(1),
    "softmax in bfloat16": lambda z: z.bfloat16().softmax(1),
    "sigmoid": lambda z: z.sigmoid(),
}


@pytest.mark.parametrize("name", PROBABILITIES)
def test_outputs_that_are_probabilities_end_the_run(ending_in, name: str) -> None:  # type: ignore[no-untyped-def]
    said = r"`teachers\.wide\.model` returns probabilities, not logits .* take the s\w+ off its end"
    with pytest.raises(TeacherError, match=said):
        ending_in(PROBABILITIES[name]).admit()


HARMLESS = {
    "log-probabilities": lambda z: z.log_softmax(1),
    "no logit below zero": lambda z: z.relu(),
    "a mask of -inf": lambda z: torch.where(z < z.amin(1, keepdim=True) + 1, -torch.inf, z),
    "a mask of -1e9": lambda z: torch.where(z < z.amin(1, keepdim=True) + 1, -1e9, z),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_outputs_of_which_the_softmax_is_right_pass(ending_in, name: str) -> None:  # type: ignore[no-untyped-def]
    assert str(ending_in(HARMLESS[name]).admit()) == "passed"


FLOAT16 = {
    "too large": lambda z: 30_000 * z,
    "too far off zero": lambda z: z + 40_000,
    "infinite": lambda z: torch.where(z == z.amax(1, keepdim=True), torch.inf, z),
}


@pytest.mark.parametrize("name", FLOAT16)
def test_logits_that_float16_does_not_hold_are_blamed_on_it(ending_in, name: str) -> None:  # type: ignore[no-untyped-def]
    at = ending_in(FLOAT16[name])
    with pytest.raises(TeacherError, match="but answers are kept and sent in float16") as caught:
        at.admit()
    assert "preprocessing" not in str(caught.value) and "precision" not in str(caught.value)
    assert str(read_record(at.folder, Verdict)) == "failed: logits out of float16's range"


def test_what_top_k_leaves_out_counts_and_one_that_passes_is_named(gate) -> None:  # type: ignore[no-untyped-def]
    at = gate()
    assert at.admit().passes and at.admitted()
    at.top_k = 3
    assert not at.admitted(), "the stored answers are compared again"
    with pytest.raises(TeacherError, match=r"`ensemble\.bank\.top_k` is 3, .*; make it ") as caught:
        at.admit()
    enough = re.search(r"make it (\d+) at least, or none, or set", str(caught.value))
    assert enough is not None
    at.top_k = int(enough[1])
    assert at.admitted() and at.admit().passes
    at.top_k -= 1
    assert not at.admitted()


def test_the_first_choice_holds_for_all(gate, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    at = gate(precision="bf16")
    assert read_record(at.folder, InferenceConfig) is None
    assert at.choose_config() == plain(1, "bf16")
    assert read_record(at.folder, Tuning).chosen == plain(1, "bf16")
    other = gate(precision="fp32")
    store_config(other.folder, plain(2))
    assert other.choose_config() == plain(2)
    assert read_record(other.folder, Tuning) is None, "it was not chosen here"
    # Another process stores its choice while this one chooses.
    found = iter([None, plain(1, "bf16")])
    monkeypatch.setattr("orchestrator.execution.parity_gate.read_record", lambda *_: next(found))
    assert other.choose_config() == plain(1, "bf16")
    assert [each.name for each in at.folder.glob(".manner*")] == []


def test_a_small_teacher_is_not_tuned_and_a_damaged_record_is_rewritten(gate) -> None:  # type: ignore[no-untyped-def]
    at = gate()
    (at.folder / "manner.json").write_text('{"precision":')
    assert at.choose_config() == CONFIG
    assert read_record(at.folder, InferenceConfig) == CONFIG
    assert read_record(at.folder, Tuning).trials == ()
    at.admit()
    (at.folder / RECORD_FILES[Verdict]).write_text(json.dumps({"inference": 1}))
    assert not at.admitted()
