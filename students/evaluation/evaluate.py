"""A finished model's answers on the held-out parts, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from students.models.network import Network, weights_sha256
from students.models.profile import costs
from students.transfer_sets.config import NoAugment
from students.transfer_sets.sampler import Ids
from students.transfer_sets.transfer_set import TransferSet

BATCH = 256


@dataclass(frozen=True)
class Figures:
    """What a model is, whatever it says: ``macs`` of one sample, ``bytes`` of its weights."""

    weights_sha256: str
    parameters: int
    macs: int
    bytes: int


@dataclass(frozen=True)
class Examined:
    """``answers``: logits float32 [n, C] by part, in the order of the part's sample ids."""

    figures: Figures
    answers: Mapping[str, Tensor]


def examine(network: Network, transfer_set: TransferSet) -> Examined:
    """Asks ``network`` (fp32, evaluation mode) for the validation and the test part."""
    network.eval()
    cost = costs(network, transfer_set.shape)
    parts = {"validation": transfer_set.validation_ids(), "test": transfer_set.test_ids()}
    return Examined(
        Figures(weights_sha256(network.model), cost.parameters, cost.macs, cost.bytes),
        {part: _logits(network, transfer_set, ids) for part, ids in parts.items()},
    )


def _logits(network: Network, transfer_set: TransferSet, ids: Ids) -> Tensor:
    with torch.inference_mode():
        chunks = [
            network(
                transfer_set.batch(
                    ids[start : start + BATCH], 0, augment=NoAugment(), student_labels=False
                ).inputs
            ).float()
            for start in range(0, len(ids), BATCH)
        ]
    return torch.cat(chunks) if chunks else torch.empty(0, transfer_set.classes)
