"""Which term drives: norms of gradients, by hand and without touching what is trained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter

from students.knowledge import Batch, Knowledge
from students.objectives.catalog import TERMS
from students.objectives.config import ObjectiveConfig
from students.objectives.objective import Objective, build_objective
from students.objectives.teacher_gate import Gating

HINT = {"kind": "hint", "teacher": "deep", "hint": "layer3", "guided": "hidden.0"}
B, C = 5, 4


def objective(**terms: object) -> Objective:
    config = TypeAdapter(ObjectiveConfig).validate_python(terms)
    teachers = ("wide", "deep")
    return build_objective(config, temperature=4.0, mean="arithmetic", teachers=teachers)


def batch(targets: list[int]) -> Batch:
    pictures = torch.zeros(len(targets), 1, 2, 2, dtype=torch.uint8)
    return Batch(pictures, torch.tensor(targets), np.arange(len(targets)), 0)


def knowledge(logits: torch.Tensor, hint: torch.Tensor | None = None) -> Knowledge:
    teachers, count, classes = logits.shape
    return Knowledge(
        logits,
        torch.ones(teachers, classes, dtype=torch.bool),
        torch.ones(teachers, count, dtype=torch.bool),
        torch.full((teachers, count), 1 / max(1, teachers)),
        {} if hint is None else {"deep": {"layer3": hint}},
    )


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.randn(B, C, generator=torch.Generator().manual_seed(0))


TARGETS = [0, 1, 2, 3, 1]


def test_of_the_task_it_is_the_probabilities_less_the_labels_over_the_samples(
    logits: torch.Tensor,
) -> None:
    no_answers = knowledge(torch.empty(0, B, C))
    norms = objective(task=0.3).gradient_norms({"logits": logits}, batch(TARGETS), no_answers, 0)
    wrong = logits.double().softmax(1) - torch.eye(C, dtype=torch.float64)[TARGETS]
    assert norms["task"].item() == pytest.approx(0.3 * (wrong / B).norm().item(), rel=1e-6)


def test_soft_targets_that_are_reached_drive_nothing(logits: torch.Tensor) -> None:
    same = knowledge(torch.stack([logits, logits]))
    found = objective(soft_targets=1.0)
    outputs = {"logits": logits}
    [reached] = found.gradient_norms(outputs, batch(TARGETS), same, 0).values()
    assert reached.item() == pytest.approx(0, abs=1e-7)
    [far] = found.gradient_norms({"logits": -logits}, batch(TARGETS), same, 0).values()
    assert far.item() > 0.1


def test_of_a_hint_it_is_taken_at_the_guided_layer(logits: torch.Tensor) -> None:
    adapted, hint = torch.randn(B, 6), torch.randn(B, 6)
    given = knowledge(torch.randn(2, B, C), hint)
    outputs = {"logits": logits, "near": adapted}
    found = objective(near={**HINT, "weight": 0.5}, task=1.0)
    norms = found.gradient_norms(outputs, batch(TARGETS), given, 0)
    by_hand = 0.5 * (2 * (adapted - hint) / adapted.numel()).norm()
    assert norms["near"].item() == pytest.approx(by_hand.item(), rel=1e-6)


def test_only_terms_that_count_in_the_epoch_are_looked_at_by_their_weight_then(
    logits: torch.Tensor,
) -> None:
    rising = {"weight": {"kind": "linear", "start": 0.5, "end": 1.0, "epochs": 2}}
    stopping = {"weight": {"kind": "stop", "value": 0.9, "epoch": 1}}
    found = objective(task=rising, soft_targets=stopping)
    given, outputs = knowledge(torch.randn(2, B, C)), {"logits": logits}
    early, late = (found.gradient_norms(outputs, batch(TARGETS), given, at) for at in (0, 2))
    assert set(early) == {"task", "soft_targets"}
    assert set(late) == {"task"}
    assert late["task"].item() == pytest.approx(2 * early["task"].item(), rel=1e-6)


def test_the_graph_that_is_trained_through_stays_as_it_was(logits: torch.Tensor) -> None:
    weight = torch.ones(C, requires_grad=True)
    outputs = {"logits": logits * weight}
    given = knowledge(torch.randn(2, B, C))
    found = objective(task=0.5, soft_targets=0.5)
    found.gradient_norms(outputs, batch(TARGETS), given, 0)
    assert weight.grad is None
    loss, _ = found(outputs, batch(TARGETS), given)
    loss.backward()
    assert weight.grad is not None
    assert bool(weight.grad.isfinite().all())


def test_without_labels_the_task_has_no_gradient(logits: torch.Tensor) -> None:
    no_answers = knowledge(torch.empty(0, B, C))
    norms = objective(task=1.0).gradient_norms({"logits": logits}, batch([-1] * B), no_answers, 0)
    assert norms["task"].item() == 0


def test_outputs_in_half_precision_give_a_finite_norm(logits: torch.Tensor) -> None:
    given = knowledge(1e4 * torch.randn(2, B, C))
    outputs = {"logits": (100 * logits).bfloat16()}
    norms = objective(task=1.0, soft_targets=1.0).gradient_norms(outputs, batch(TARGETS), given, 0)
    assert all(norm.dtype == torch.float64 and bool(norm.isfinite()) for norm in norms.values())


LAYERS = {"teacher": "deep", "hint": "layer3", "guided": "hidden.0"}
EVERY_KIND: dict[str, dict[str, object]] = {
    "hint": LAYERS,
    "multi_group_hint": {"groups": [LAYERS, {**LAYERS, "hint": "layer2"}]},
    "triplet_order": {"layers": {"deep": "layer3"}, "guided": "hidden.0"},
}
"""What must be said of the kinds that cannot do without; of all others nothing."""


@pytest.mark.parametrize("kind", TERMS)
@pytest.mark.parametrize("half", [False, True], ids=["float32", "bfloat16"])
def test_every_kind_of_term_has_a_finite_norm_where_it_meets_the_student(
    logits: torch.Tensor, kind: str, half: bool
) -> None:
    found = objective(look={"kind": kind, **EVERY_KIND.get(kind, {})})
    given = knowledge(torch.randn(2, B, C))
    layer = torch.randn(B, 6, 2, 2)
    taps = {"layer3": layer, "layer2": 2 * layer, "layer3:embedding": layer.mean((2, 3))}
    given = replace(given, taps={"deep": taps})
    guided = torch.randn(B, 6) if kind == "triplet_order" else torch.randn(B, 6, 2, 2)
    outputs = {"logits": logits, **dict.fromkeys(found.guided, guided)}
    seen = {name: value.bfloat16() if half else value for name, value in outputs.items()}
    norms = found.gradient_norms(seen, batch(TARGETS), given, 0)
    assert list(norms) == ["look"]
    assert norms["look"].isfinite()
    assert norms["look"] > 0


def test_weights_that_a_gate_makes_count_as_they_are(logits: torch.Tensor) -> None:
    config = TypeAdapter(ObjectiveConfig).validate_python({"soft_targets": 1.0})
    gate = Gating("hidden.0", detached=False, penalty=0.1, learns_for=None)
    of = build_objective(
        config, temperature=4.0, mean="arithmetic", teachers=("wide", "deep"), gate=gate
    )
    given = knowledge(torch.randn(2, B, C))
    scores = torch.zeros(B, 2, requires_grad=True)
    gated = {"logits": logits, "gate": scores, "gate.penalty": scores.sum()}
    by_gate = of.gradient_norms(gated, batch(TARGETS), replace(given, weights=None), 0)
    plain = objective(soft_targets=1.0).gradient_norms({"logits": logits}, batch(TARGETS), given, 0)
    torch.testing.assert_close(by_gate, plain)
    assert scores.grad is None
