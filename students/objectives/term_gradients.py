"""Which term drives: the gradient of each, where it meets the student."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from students.knowledge import Batch, Knowledge
from students.objectives.objective import Objective, WeightedTerm


def gradient_norms(
    objective: Objective,
    outputs: Mapping[str, Tensor],
    batch: Batch,
    knowledge: Knowledge,
    epoch: int,
) -> dict[str, Tensor]:
    """||d(w L) / d(what the term sees)||, for each term that counts in ``epoch``.

    L is the term's loss of the micro-batch, w its weight, and what it sees is the student's
    ``logits`` [B, C] or its guided layers, adapted [B, ...]; the norm is over all their elements,
    a scalar in float64. At copies of the outputs: neither the network nor the graph that the
    engine goes back through is touched, so every engine gives the same figures. Weights that the
    student's own gate makes of its teachers count as they are.
    """
    copies = {name: value.detach() for name, value in outputs.items()}
    knowledge = objective.weighed(copies, knowledge, epoch)
    if knowledge.weights is not None:
        knowledge = replace(knowledge, weights=knowledge.weights.detach())
    return {
        name: _norm(weight, term, copies, batch, knowledge)
        for name, (weight, term) in objective.counting(epoch).items()
    }


def _norm(
    weight: float,
    term: WeightedTerm,
    outputs: Mapping[str, Tensor],
    batch: Batch,
    knowledge: Knowledge,
) -> Tensor:
    seen = {name: outputs[name].detach().requires_grad_() for name in term.sees}
    with torch.enable_grad():
        loss = weight * term.term({**outputs, **seen}, batch, knowledge)
    if not loss.requires_grad:
        return loss.new_zeros((), dtype=torch.float64)
    gradients = torch.autograd.grad(loss, list(seen.values()), allow_unused=True)
    flat = [each.double().flatten() for each in gradients if each is not None]
    norm: Tensor = torch.linalg.vector_norm(torch.cat(flat))
    return norm
