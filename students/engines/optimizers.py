"""The optimizers, in the one form that gives the same bits in every engine."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from students.config import AdamW, Optimizer, Sgd


def build_optimizer(config: Optimizer, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """An optimizer over the parameters that are trained, all in one group.

    Neither fused nor ``foreach``: these reorder the arithmetic, and an engine that keeps all
    parameters in one flat tensor would not give the same bits as one that does not.
    """
    parameters = [parameter for parameter in parameters if parameter.requires_grad]
    match config:
        case Sgd():
            return torch.optim.SGD(
                parameters,
                lr=config.lr,
                momentum=config.momentum,
                nesterov=config.nesterov,
                weight_decay=config.weight_decay,
                foreach=False,
                fused=False,
            )
        case AdamW():
            return torch.optim.AdamW(
                parameters,
                lr=config.lr,
                betas=config.betas,
                eps=config.eps,
                weight_decay=config.weight_decay,
                foreach=False,
                fused=False,
            )
