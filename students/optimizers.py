"""The optimizers, in the one form that gives the same bits in every engine.

Neither fused nor ``foreach``: these reorder the arithmetic, and an engine that keeps all
parameters in one flat tensor would not give the same bits as one that does not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from cluster.section import Reason, Section, kind_first
from students.lazy_imports import nn, torch

_STEPS = Reason("smaller steps are lost in the rounding of weights, and larger ones diverge")
_Decay = Annotated[
    float,
    Field(ge=0, le=10),
    Reason("times the learning rate it is the share that each step takes off every weight"),
]


class Sgd(Section):
    """Stochastic gradient descent with momentum."""

    kind: Literal["sgd"] = "sgd"
    lr: Annotated[float, Field(ge=1e-8, le=10), _STEPS] = 0.05
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    nesterov: bool = False
    weight_decay: _Decay = 0.0

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Torch's optimizer over ``parameters``, all in one group."""
        settings = self.model_dump(exclude={"kind"})
        return torch.optim.SGD(parameters, **settings, foreach=False, fused=False)


class AdamW(Section):
    """Adam with decoupled weight decay (Loshchilov & Hutter, 2019)."""

    kind: Literal["adamw"] = "adamw"
    lr: Annotated[float, Field(ge=1e-8, le=1), _STEPS] = 0.001
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (
        0.9,
        0.999,
    )
    eps: Annotated[float, Field(gt=0, le=1), Reason("it is added to the gradient's size")] = 1e-8
    weight_decay: _Decay = 0.01

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Torch's optimizer over ``parameters``, all in one group."""
        settings = self.model_dump(exclude={"kind"})
        return torch.optim.AdamW(parameters, **settings, foreach=False, fused=False)


Optimizer = Annotated[
    Annotated[Sgd | AdamW, Field(discriminator="kind")], BeforeValidator(kind_first)
]
