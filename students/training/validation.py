"""A student's accuracy and loss on the validation part, shared out among the ranks."""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy

from students.engines.engine import Engine
from students.transfer_sets.config import NoAugment
from students.transfer_sets.transfer_set import TransferSet

BATCH = 256


def validate(engine: Engine, transfer_set: TransferSet) -> tuple[float | None, float | None]:
    """Accuracy and mean negative log-likelihood (nats); none where there is no such part.

    Every rank makes the same number of forward passes, since under ZeRO-3 each of them is
    collective; a rank with no samples left passes some again and does not count them.
    """
    ids = transfer_set.validation_ids()
    if len(ids) == 0:
        return None, None
    rank, ranks = engine.group.rank, engine.group.ranks
    starts = list(range(0, len(ids), BATCH))
    sums = torch.zeros(2, dtype=torch.float64)
    engine.evaluating(True)
    with torch.no_grad():
        for turn in range(0, len(starts), ranks):
            mine = turn + rank
            start = starts[mine] if mine < len(starts) else 0
            batch = transfer_set.batch(
                ids[start : start + BATCH], 0, augment=NoAugment(), student_labels=False
            )
            logits = engine.forward(batch.inputs.to(engine.device))["logits"].float().cpu()
            if mine < len(starts):
                sums[0] += (logits.argmax(1) == batch.targets).sum()
                sums[1] += cross_entropy(logits, batch.targets, reduction="sum")
    engine.evaluating(False)
    correct, loss = (engine.sum(sums) / len(ids)).tolist()
    return correct, loss
