"""The gate's arithmetic: the paper's example, and what must hold whoever the teachers are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from students.knowledge import Batch, Knowledge
from students.objectives.config import ObjectiveConfig
from students.objectives.objective import build_objective
from students.objectives.soft_targets import soft_target_loss
from students.objectives.softening import soften
from students.objectives.teacher_gate import (
    GATE,
    PENALTY,
    Gate,
    Gating,
    gate_penalty,
    gate_scores,
    gate_weights,
    max_pooled,
    with_gate_weights,
)
from tests.golden.cases import golden, tensor

GATING = Gating(layer="1", detached=False, penalty=0.1, learns_for=None)


def everybody(teachers: int, samples: int) -> torch.Tensor:
    return torch.ones(teachers, samples, dtype=torch.bool)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def knowledge(logits: torch.Tensor, weights: torch.Tensor | None = None) -> Knowledge:
    teachers, samples, classes = logits.shape
    return Knowledge(
        logits=logits,
        known=torch.ones(teachers, classes, dtype=torch.bool),
        present=everybody(teachers, samples),
        weights=weights,
        taps={},
    )


def target(logits: torch.Tensor, weights: torch.Tensor, temperature: float) -> torch.Tensor:
    answers = knowledge(logits)
    return soften(
        logits, weights, answers.known, answers.present, temperature=temperature, mean="arithmetic"
    )


def test_weights_target_and_loss_are_the_papers_example() -> None:
    case = golden("amtml_gate")
    given_, expected = case.inputs, case.expected
    scores = gate_scores(
        tensor(given_["student_pooled"]), tensor(given_["theta"]), tensor(given_["v"])
    )
    torch.testing.assert_close(scores, tensor(expected["gamma"]), rtol=1e-9, atol=1e-12)
    weights = gate_weights(scores, everybody(3, 3))
    torch.testing.assert_close(weights.T, tensor(expected["weights"]), rtol=1e-9, atol=0)
    temperature = case.params["T"]
    integrated = target(tensor(given_["teacher_logits"]), weights, temperature)
    torch.testing.assert_close(integrated, tensor(expected["target"]), rtol=1e-9, atol=0)
    loss = soft_target_loss(tensor(given_["student_logits"]), integrated, temperature=temperature)
    assert float(loss) == pytest.approx(expected["kl_batchmean"] * temperature**2, rel=1e-9)


def test_the_penalty_is_the_released_one() -> None:
    case = golden("amtml_gate")
    gate = Gate(3, 2, layer="1", detached=False).double()
    with torch.no_grad():
        gate.latents.copy_(tensor(case.inputs["theta"]))
        gate.readout.copy_(tensor(case.inputs["v"]))
    scores, squares = gate(tensor(case.inputs["student_pooled"]))
    torch.testing.assert_close(scores, tensor(case.expected["gamma"]), rtol=1e-9, atol=1e-12)
    assert 0.1 * float(squares.detach()) == pytest.approx(case.expected["regulariser"], rel=1e-9)


@pytest.mark.parametrize("teachers", [1, 2, 3, 5, 7])
def test_a_new_gate_is_exactly_the_uniform_arithmetic_mean(teachers: int) -> None:
    gate = Gate(teachers, 4, layer="1", detached=False)
    scores, _ = gate(random(6, 4).float())
    weights = gate_weights(scores, everybody(teachers, 6))
    logits = random(teachers, 6, 10, seed=1).float()
    uniform = torch.full((teachers, 6), 1.0 / teachers)
    assert torch.equal(target(logits, weights, 4.0), target(logits, uniform, 4.0))


@settings(deadline=None)
@given(st.permutations(range(4)), st.integers(0, 99))
def test_weights_go_with_their_teachers(order: list[int], seed: int) -> None:
    features, latents = random(5, 3, seed=seed), random(4, 3, seed=seed + 1)
    readout, present = random(3, seed=seed + 2), random(4, 5, seed=seed + 3) > -1
    weights = gate_weights(gate_scores(features, latents, readout), present)
    again = gate_weights(gate_scores(features, latents[order], readout), present[order])
    torch.testing.assert_close(again, weights[order], rtol=1e-12, atol=1e-15)
    there = present.any(dim=0)
    torch.testing.assert_close(weights.sum(0), there.double(), rtol=1e-12, atol=1e-15)
    assert bool((weights[~present] == 0).all())


def test_copies_of_one_teacher_are_that_teacher_whatever_the_gate_says() -> None:
    one = random(1, 5, 10)
    weights = gate_weights(random(5, 3, seed=1), everybody(3, 5))
    torch.testing.assert_close(
        target(one.expand(3, 5, 10), weights, 4.0), target(one, torch.ones(1, 5), 4.0)
    )


def test_the_strongest_place_of_a_map_or_sequence_counts_and_a_vector_is_taken_as_it_is() -> None:
    maps, sequences, vectors = random(2, 3, 4, 5), random(2, 6, 3), random(2, 3)
    assert torch.equal(max_pooled(maps), maps.flatten(2).max(dim=2).values)
    assert torch.equal(max_pooled(sequences), sequences.max(dim=1).values)
    assert max_pooled(vectors) is vectors


@pytest.mark.parametrize("detached", [False, True])
def test_a_detached_gate_sends_nothing_to_the_students_layer(detached: bool) -> None:
    gate = Gate(2, 3, layer="1", detached=detached)
    with torch.no_grad():
        gate.latents.copy_(random(2, 3))
    features = random(4, 3, seed=1).float().requires_grad_()
    scores, squares = gate(features)
    loss = scores[:, 0].sum() + squares
    gradients = torch.autograd.grad(loss, [features, gate.latents, gate.readout], allow_unused=True)
    assert (gradients[0] is None) == detached
    assert all(bool((each != 0).any()) for each in gradients[1:])


HARD = {
    "equal_rows": torch.zeros(2, 3, 4),
    "sure_to_rounding": torch.tensor([1e4, -1e4, 0.0, 0.0]).expand(2, 3, 4),
    "one_against_the_other": torch.stack(
        [torch.tensor([1e4, 0, 0, 0]).expand(3, 4), torch.tensor([0, 1e4, 0, 0]).expand(3, 4)]
    ),
}


KINDS = (
    "soft_targets", "hard_targets", "logit_l2", "probability_l2", "conditional", "decoupled",
    "correlation", "relation_distance", "relation_angle",
)  # fmt: skip
"""Terms that learn from what the teachers say together."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("mean", ["arithmetic", "geometric"])
def test_gradients_through_the_weights_are_finite_on_hard_answers(kind, name, dtype, mean) -> None:
    config = TypeAdapter(ObjectiveConfig).validate_python({"term": {"kind": kind}})
    objective = build_objective(config, temperature=1.0, mean=mean, gate=GATING)
    answers = knowledge(HARD[name].clone())
    answers.present[0, :1] = False
    answers.logits[0, :1] = torch.nan
    gate = Gate(2, 3, layer="1", detached=False)
    features = random(3, 3).to(dtype).requires_grad_()
    student = (1e3 * random(3, 4, seed=1)).to(dtype).requires_grad_()
    scores, squares = gate(features)
    outputs = {"logits": student, GATE: scores, PENALTY: squares}
    inputs = torch.zeros(3, 1, 2, 2, dtype=torch.uint8)
    batch = Batch(inputs, torch.tensor([0, 3, -1]), np.arange(3), 0)
    loss, _ = objective(outputs, batch, answers)
    loss.backward()
    assert bool(loss.isfinite())
    for tensor_ in (features, student, gate.latents, gate.readout):
        assert bool(tensor_.grad.isfinite().all())


def test_in_bf16_the_gate_computes_in_single() -> None:
    gate = Gate(2, 3, layer="1", detached=False)
    with torch.no_grad():
        gate.latents.copy_(random(2, 3))
    features = random(4, 3, seed=1).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        scores, squares = gate(features)
    assert (scores.dtype, squares.dtype) == (torch.float32, torch.float32)
    torch.testing.assert_close(scores, gate(features.float())[0], rtol=0, atol=0)


def test_without_teachers_present_all_weights_are_zero() -> None:
    present = torch.tensor([[True, False, False], [False, False, True]])
    scores = random(3, 2).requires_grad_()
    weights = gate_weights(scores, present)
    assert weights.tolist() == [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    weights.square().sum().backward()
    assert bool(scores.grad.isfinite().all())


def test_a_frozen_gate_still_gives_weights_but_no_gradient() -> None:
    gate = Gate(2, 3, layer="1", detached=False)
    scores, squares = gate(random(4, 3).float())
    outputs, answers = {GATE: scores, PENALTY: squares}, knowledge(random(2, 4, 5).float())
    gating = replace(GATING, learns_for=2)
    learning, penalty = (
        with_gate_weights(gating, outputs, answers, 1),
        gate_penalty(gating, outputs, 1),
    )
    assert learning.shares.requires_grad
    assert penalty is not None and float(penalty.detach()) == pytest.approx(0.1 * 3)
    standing = with_gate_weights(gating, outputs, answers, 2)
    assert not standing.shares.requires_grad
    assert gate_penalty(gating, outputs, 2) is None
    assert torch.equal(standing.shares, learning.shares)


def test_knowledge_with_weights_or_without_teachers_is_left_as_it_is() -> None:
    weights = torch.ones(2, 4) / 2
    for answers in (knowledge(random(2, 4, 5), weights), knowledge(random(0, 4, 5))):
        assert with_gate_weights(GATING, {}, answers, 0) is answers
        assert with_gate_weights(None, {}, answers, 0) is answers
