"""Evaluates a student on the validation part, while it is trained and after."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from students.engines.engine import Engine
from students.knowledge import Batch
from students.models.network import Network, weights_sha256
from students.models.profile import costs
from students.storage.outcome import Outcome
from students.transfer_sets.config import NoAugment
from students.transfer_sets.splits import Ids
from students.transfer_sets.transfer_set import TransferSet

BATCH = 256


def evaluate(network: Network, transfer_set: TransferSet) -> tuple[Outcome, Tensor]:
    """What is known of a model, and its logits float32 [n, C] on the validation part."""
    logits = compute_logits(network, transfer_set, transfer_set.validation_ids)
    cost = costs(network, transfer_set.shape)
    return Outcome(weights_sha256(network.model), **vars(cost)), logits


def compute_logits(network: Network, transfer_set: TransferSet, ids: Ids) -> Tensor:
    """The logits float32 [n, C] of a model in evaluation mode on samples [n], in their order."""
    network.eval()
    with torch.inference_mode():
        chunks = [
            network(_batch(transfer_set, ids, start).inputs).float()
            for start in range(0, len(ids), BATCH)
        ]
    return torch.cat(chunks) if chunks else torch.empty(0, transfer_set.classes)


def validate(engine: Engine, transfer_set: TransferSet) -> tuple[float | None, float | None]:
    """Accuracy and mean negative log-likelihood (nats) on the validation part, or none if empty.

    The part is divided among the ranks. Every rank makes the same number of forward passes,
    since under ZeRO-3 each of them is collective; a rank with no samples left passes some again
    and does not count them.
    """
    ids = transfer_set.validation_ids
    if len(ids) == 0:
        return None, None
    rank, ranks = engine.group.rank, engine.group.ranks
    starts = range(0, len(ids), BATCH)
    sums = torch.zeros(2, dtype=torch.float64)
    with engine.evaluating():
        for first in range(0, len(starts), ranks):
            counted = first + rank < len(starts)
            batch = _batch(transfer_set, ids, starts[first + rank] if counted else 0)
            logits = engine.forward(batch.inputs.to(engine.device))["logits"].float().cpu()
            if counted:
                sums[0] += (logits.argmax(1) == batch.targets).sum()
                sums[1] += cross_entropy(logits, batch.targets, reduction="sum")
    correct, loss = (engine.sum(sums) / len(ids)).tolist()
    return correct, loss


def _batch(transfer_set: TransferSet, ids: Ids, start: int) -> Batch:
    """The samples from ``start`` on, unaugmented and with all labels."""
    return transfer_set.batch(
        ids[start : start + BATCH], 0, augment=NoAugment(), student_labels=False
    )
