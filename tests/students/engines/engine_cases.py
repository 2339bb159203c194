"""A small learner and the steps that all engines are compared on."""

from __future__ import annotations

import torch
from torch import nn

from students.config import EngineConfig, TrainConfig
from students.engines.catalog import build_engine
from students.engines.engine import EngineSetup
from students.engines.group import Group
from students.objectives.teacher_gate import Gate, gate_weights

MICRO = 8
ENGINES = {
    "torch": EngineConfig(kind="torch"),
    **{f"zero_{n}": EngineConfig(kind="deepspeed", zero_stage=n) for n in (0, 1, 2, 3)},
}
IN_PIECES = {"zero_optimization": {"stage3_param_persistence_threshold": 0}}
"""DeepSpeed's setting by which ZeRO-3 partitions small parameters, too."""


class Learner(nn.Module):
    """Convolution and batch normalisation, and an adapter and a gate that read a hooked layer.

    No size of a parameter is a multiple of another, so that pieces need padding.
    """

    def __init__(self, seed: int = 3) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.net = nn.Sequential(
                nn.Conv2d(1, 5, 3, bias=False),
                nn.BatchNorm2d(5),
                nn.ReLU(),
                nn.Flatten(),
                nn.Linear(5 * 36, 7, bias=False),
                nn.BatchNorm1d(7),
                nn.ReLU(),
                nn.Linear(7, 3),
            )
            self.adapter = nn.Linear(7, 5)
        self.gate = Gate(2, 7, layer="6", detached=False)
        self._guided: list[torch.Tensor] = []
        self.net[6].register_forward_hook(lambda module, args, out: self._guided.append(out))

    def forward(self, inputs):
        logits = self.net(inputs.float() / 255)
        features = self._guided.pop()
        scores, squares = self.gate(features)
        hint = self.adapter(features)
        return {"logits": logits, "hint": hint, "gate": scores, "gate.penalty": squares}


def micro_batch(index: int):
    """The ``index``-th micro-batch of a fixed sequence: pictures and targets."""
    generator = torch.Generator().manual_seed(1000 + index)
    pictures = torch.randint(0, 256, (MICRO, 1, 8, 8), generator=generator, dtype=torch.uint8)
    return pictures, torch.randint(0, 3, (MICRO,), generator=generator)


def loss_of(outputs, targets):
    task = nn.functional.cross_entropy(outputs["logits"], targets)
    weights = gate_weights(outputs["gate"], torch.ones(2, MICRO, dtype=torch.bool))
    gate = weights[0].square().mean() + 0.1 * outputs["gate.penalty"]
    return task + outputs["hint"].square().mean() + gate


def learn(engine, first, last, *, micro_batches=1, poisoned=()):
    """Steps ``first`` to ``last``; each takes ``micro_batches`` over all ranks together.

    Rank r takes the r-th part of them. Returns (loss of the step, outcome) for each step.
    """
    group = engine.group
    mine = micro_batches // group.ranks
    results = []
    for step in range(first, last):
        total = torch.zeros((), dtype=torch.float64)
        for turn in range(mine):
            index = step * micro_batches + group.rank * mine + turn
            pictures, targets = micro_batch(index)
            loss = loss_of(engine.forward(pictures), targets)
            if (step, index - step * micro_batches) in poisoned:
                loss = loss * float("nan")
            engine.backward(loss)
            total += loss.detach() / micro_batches
        results.append((float(engine.sum(total)), engine.step(0.05 if step % 2 else 0.03)))
    return results


def built(engine, *, accumulation=1, state=None, group=None, frozen=0, **train):
    """``frozen``: how many of the first layers of ``net`` are."""
    settings, learner = TrainConfig(batch_size=MICRO, **train), Learner()
    learner.net[:frozen].requires_grad_(False).eval()
    return build_engine(
        EngineSetup(
            ENGINES[engine],
            settings,
            learner,
            group=group or Group(),
            accumulation=accumulation,
            state=state,
        )
    )


def flat(state):
    """All tensors of a state under one name each."""
    slots = {
        f"{slot}:{n}": v for slot, values in state.optimizer.items() for n, v in values.items()
    }
    return {**state.module, **slots}


def differing(one, other):
    """The names under which two states do not hold the same bits."""
    a, b = flat(one), flat(other)
    shared = a.keys() & b.keys()
    return sorted((a.keys() ^ b.keys()) | {n for n in shared if not torch.equal(a[n], b[n])})
