"""Frozen layers keep every bit, and all engines train the rest alike."""

import pytest
import torch

from students.config import EngineConfig, TrainConfig
from students.engines.catalog import build_engine
from students.engines.engine import EngineSetup
from students.engines.group import Group
from students.training.parameter_constraints import max_norm
from tests.students.engines.engine_cases import IN_PIECES
from tests.students.engines.test_learner_in_engines import _learner

ENGINES = [("torch", 1), *(("deepspeed", stage) for stage in (0, 1, 2, 3))]


def taught(kind, zero_stage, *frozen):
    """The learner's state before and after steps that decay weights, clip, and evaluate."""
    learner = _learner(frozen=frozen)
    start = {name: value.clone() for name, value in learner.state_dict().items()}
    settings = IN_PIECES if zero_stage == 3 else {}
    engine = build_engine(
        EngineSetup(
            EngineConfig(kind=kind, zero_stage=zero_stage, deepspeed=settings),
            TrainConfig(optimizer={"kind": "sgd", "weight_decay": 0.1}, gradient_clipping=0.05),
            learner,
            group=Group(),
        )
    )
    generator, norms = torch.Generator().manual_seed(1), []
    try:
        for _ in range(3):
            pictures = torch.randint(0, 256, (4, 3, 8, 8), generator=generator, dtype=torch.uint8)
            outputs = engine.forward(pictures)
            loss = outputs["near"].square().mean() + outputs["logits"].logsumexp(1).mean()
            engine.backward(loss)
            norms.append(engine.step(0.1).gradient_norm)
            engine.constrain(max_norm(0.1))
            with engine.evaluating():
                engine.forward(pictures)
        return start, engine.state(), norms
    finally:
        engine.close()


@pytest.mark.parametrize(("kind", "zero_stage"), ENGINES)
def test_a_frozen_layer_keeps_every_bit_whatever_the_engine(kind, zero_stage):
    start, state, norms = taught(kind, zero_stage, "0", "1")
    moved = {name for name, value in state.module.items() if not torch.equal(value, start[name])}
    trained = {
        *(f"model.5.{name}" for name in ("weight", "bias")),
        *(f"adapters.near.1.{name}" for name in ("weight", "bias")),
    }
    assert moved == trained, "neither weights nor statistics of the others"
    assert set(state.module) == set(start)
    assert all(set(slot) == trained for slot in state.optimizer.values())
    _, whole, expected = taught("torch", 1, "0", "1")
    assert norms == expected
    assert [n for n in start if not torch.equal(state.module[n], whole.module[n])] == []
