"""A student with a gating network, from assignment to outcome: what it logs, how it resumes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from students.engines.state_tensors import EngineState
from students.knowledge import Knowledge, Question
from students.objectives.teacher_gate import Gating
from students.specs import StudentSpec
from students.storage.outcome import weights_file
from students.training.build import deployed_weights
from students.training.student_rank import StudentRank
from tests.students import tiny

TEACHERS = ("wide", "deep")
GATING = Gating(layer="hidden.0", detached=False, penalty=0.01, learns_for=None)


@dataclass
class TwoTeachers(tiny.OneTeacher):
    """Knowledge of two teachers, whose weights the student computes."""

    def _knowledge(self, question: Question, *, nan_at: bool) -> Knowledge:
        one = super()._knowledge(question, nan_at=nan_at)
        logits = torch.cat([one.logits, one.logits.flip(2) * 2])
        samples = logits.shape[1]
        return replace(
            one,
            logits=logits,
            known=torch.ones(2, tiny.CLASSES, dtype=torch.bool),
            present=torch.ones(2, samples, dtype=torch.bool),
            weights=None,
        )


def gated(gating: Gating = GATING, **train: Any) -> StudentSpec:
    return replace(tiny.spec(**train), gate=gating, tracks_weights=True)


def train(stage: Path, of: StudentSpec, *, until: int | None = None) -> None:
    rank = StudentRank(tiny.assignment(stage, of, teachers=TEACHERS), TwoTeachers())
    tiny.train_until(rank, until)


def epochs(stage: Path) -> list[dict[str, float]]:
    return [values for kind, _, values in tiny.measured(stage) if kind == "epoch"]


def kept(stage: Path, step: int, file: str = "model") -> dict[str, Tensor]:
    path = stage / "checkpoints" / f"step-{step:06d}" / f"{file}.safetensors"
    return safetensors.torch.load_file(path)


def gate_of(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if name.startswith("gate.")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    stage = tmp_path_factory.mktemp("whole") / "stage"
    train(stage, gated())
    return stage


def test_each_epoch_logs_the_teachers_weights(whole: Path) -> None:
    first, last = epochs(whole)
    for row in (first, last):
        assert row["weights/wide"] + row["weights/deep"] == pytest.approx(1)
        by_class = [row[f"weights/wide/{c}"] for c in range(tiny.CLASSES)]
        assert min(by_class) < row["weights/wide"] < max(by_class)
        assert 0 <= row["rule/renamed"] <= row["rule/changed"] <= 1
    assert abs(last["weights/wide"] - 0.5) > abs(first["weights/wide"] - 0.5) > 1e-4


def test_the_gate_is_trained_and_checkpointed_but_not_deployed(whole: Path) -> None:
    state = kept(whole, tiny.outcome(whole).steps)
    gate = gate_of(state)
    assert {name: tuple(value.shape) for name, value in gate.items()} == {
        "gate.latents": (2, 8),
        "gate.readout": (8,),
    }
    assert bool((gate["gate.latents"] != 0).any())
    assert bool((gate["gate.readout"] != 1).any())
    slots = kept(whole, tiny.outcome(whole).steps, "optimizer")
    assert "momentum_buffer:gate.latents" in slots
    assert not any("gate" in name for name in deployed_weights(EngineState(state)))
    assert not any("gate" in name for name in safetensors.torch.load_file(weights_file(whole)))


@pytest.mark.parametrize("learns_for", [None, 1])
@pytest.mark.parametrize("until", [2, 4, 7])
def test_a_resumed_training_ends_with_the_same_student_gate_and_rows(
    tmp_path: Path, whole: Path, until: int, learns_for: int | None
) -> None:
    of = gated(replace(GATING, learns_for=learns_for))
    straight = whole
    if learns_for is not None:
        straight = tmp_path / "straight"
        train(straight, of)
    broken = tmp_path / "broken"
    train(broken, of, until=until)
    train(broken, of)
    steps = tiny.outcome(straight).steps
    for file in ("model", "optimizer"):
        expected, found = kept(straight, steps, file), kept(broken, steps, file)
        assert expected.keys() == found.keys()
        assert [n for n in expected if not torch.equal(expected[n], found[n])] == []
    assert tiny.measured(broken) == tiny.measured(straight)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_from_epoch_n_on_the_gate_is_frozen_to_the_bit(tmp_path: Path, optimizer: str) -> None:
    kind = {"kind": optimizer, "weight_decay": 0.1}
    of = gated(replace(GATING, learns_for=1), optimizer=kind, checkpoint={"every": 1, "keep": 100})
    train(tmp_path, of)
    per_epoch = tiny.outcome(tmp_path).steps // 2
    states = [kept(tmp_path, step) for step in range(per_epoch - 1, 2 * per_epoch + 1)]
    before, frozen, *after = map(gate_of, states)
    assert not torch.equal(before["gate.latents"], frozen["gate.latents"])
    for later in after:
        assert all(torch.equal(later[name], frozen[name]) for name in frozen)
    assert not torch.equal(states[1]["model.output.weight"], states[2]["model.output.weight"])


def test_weights_are_logged_also_without_a_validation_part(tmp_path: Path) -> None:
    unseen = tiny.DATA.model_copy(update={"validation": "none"})
    task = tiny.assignment(
        tmp_path, gated(), teachers=TEACHERS, data=tiny.planned_data(unseen, tmp_path)
    )
    list(StudentRank(task, TwoTeachers()).train())
    first, _ = epochs(tmp_path)
    assert {"weights/wide", "rule/changed"} <= first.keys()
    assert "accuracy" not in first


def test_the_untaught_student_has_no_gate(tmp_path: Path) -> None:
    tiny.train(tmp_path, tiny.spec(taught=False))
    assert gate_of(kept(tmp_path, tiny.outcome(tmp_path).steps)) == {}
    assert all(row.keys() == {"accuracy", "nll"} for row in epochs(tmp_path))
