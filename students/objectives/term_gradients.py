"""The norm of each term's gradient at the student's outputs: which term has most effect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from students.knowledge import Batch, Knowledge
from students.objectives.objective import Objective
from students.objectives.teacher_gate import with_gate_weights


def gradient_norms(
    objective: Objective,
    outputs: Mapping[str, Tensor],
    batch: Batch,
    knowledge: Knowledge,
    epoch: int,
) -> dict[str, Tensor]:
    """||d(w L) / d(the term's inputs)||, for each term of weight w above zero in ``epoch``.

    L is the term's loss of the micro-batch; its inputs are the student's ``logits`` [B, C] or its
    guided layers, adapted [B, ...]; the norm is over all their elements, a scalar in float64.
    Computed at copies of the outputs: neither the network nor the graph that the engine goes back
    through is touched, so every engine gives the same figures. The weights of the student's own
    gating network are taken as constants.
    """
    copies = {name: value.detach() for name, value in outputs.items()}
    knowledge = with_gate_weights(objective.gate, copies, knowledge, epoch)
    if knowledge.weights is not None:
        knowledge = replace(knowledge, weights=knowledge.weights.detach())
    norms: dict[str, Tensor] = {}
    for name, weight in objective.weights_in(epoch).items():
        inputs = objective.terms[name].outputs_used(name)
        leaves = {each: copies[each].detach().requires_grad_() for each in inputs}
        with torch.enable_grad():
            loss = weight * objective.term_loss(name, {**copies, **leaves}, batch, knowledge)
        if not loss.requires_grad:
            norms[name] = loss.new_zeros((), dtype=torch.float64)
            continue
        gradients = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
        flat = [each.double().flatten() for each in gradients if each is not None]
        norms[name] = torch.linalg.vector_norm(torch.cat(flat))
    return norms
