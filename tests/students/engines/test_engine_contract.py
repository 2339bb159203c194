"""What every engine does, at every ZeRO stage."""

import pytest
import torch
import torch.distributed as dist

from students.config import EngineConfig, TrainConfig
from students.engines.catalog import build_engine
from students.engines.engine import EngineSetup
from students.engines.group import Group
from students.engines.state_tensors import EngineState
from students.errors import CheckpointError
from students.optimizers import AdamW, Sgd
from students.torch_state import use_threads
from tests.students.engines.engine_cases import (
    ENGINES,
    Learner,
    built,
    differing,
    learn,
    micro_batch,
)

OPTIMIZERS = {"sgd": Sgd(weight_decay=1e-3), "adamw": AdamW()}

every_engine = pytest.mark.parametrize("engine", ENGINES)
every_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS)


@pytest.fixture(autouse=True)
def one_thread():
    with use_threads(1):
        yield


@every_engine
@every_optimizer
def test_resume_is_exact(engine, optimizer):
    settings = {"optimizer": OPTIMIZERS[optimizer], "accumulation": 2}
    whole = built(engine, **settings)
    learn(whole, 0, 10, micro_batches=2)
    kept = whole.state()
    learn(whole, 10, 20, micro_batches=2)
    expected = whole.state()
    whole.close()
    resumed = built(engine, state=kept, **settings)
    assert differing(resumed.state(), kept) == []
    learn(resumed, 10, 20, micro_batches=2)
    assert differing(resumed.state(), expected) == []
    resumed.close()


@every_engine
def test_a_state_can_be_taken_before_the_first_step(engine):
    fresh = built(engine)
    state = fresh.state()
    fresh.close()
    assert state.optimizer == {}
    assert differing(state, EngineState(dict(Learner().state_dict()))) == []
    again = built(engine, state=state)
    learn(again, 0, 1)
    again.close()


@every_engine
@pytest.mark.parametrize("clipping", [1.0, "none"])
def test_gradients_that_are_not_finite_change_nothing(engine, clipping):
    one = built(engine, optimizer=AdamW(), gradient_clipping=clipping, accumulation=2)
    learn(one, 0, 3, micro_batches=2)
    before = one.state()
    ((_, outcome),) = learn(one, 3, 4, micro_batches=2, poisoned={(3, 0)})
    assert not outcome.finite
    after = one.state()
    changed = differing(before, after)
    assert all("running_" in name or "num_batches" in name for name in changed), changed
    ((_, outcome),) = learn(one, 4, 5, micro_batches=2)
    assert outcome.finite
    assert "net.0.weight" in differing(after, one.state())
    one.close()


@every_engine
def test_clipping_bounds_the_step(engine):
    """With plain descent the weights move by the rate times the clipped norm."""
    settings = {"optimizer": Sgd(momentum=0.0), "gradient_clipping": 0.01}
    one = built(engine, **settings)
    before = one.state()
    ((_, outcome),) = learn(one, 0, 1)
    after = one.state()
    one.close()
    names = [name for name, _ in Learner().named_parameters()]
    moved = sum(float((after.module[n] - before.module[n]).square().sum()) for n in names) ** 0.5
    assert outcome.gradient_norm > 0.1
    assert moved == pytest.approx(0.03 * 0.01, rel=1e-3)


@every_engine
def test_constrain_reaches_the_weights_that_compute_and_the_next_step(engine):
    one = built(engine)
    learn(one, 0, 2)

    def halved(name, value):
        assert value.shape == dict(Learner().named_parameters())[name].shape
        return value / 2 if name == "net.7.weight" else None

    before = one.state().module
    one.constrain(halved)
    after = one.state().module
    assert torch.equal(after["net.7.weight"], before["net.7.weight"] / 2)
    assert [n for n in before if not torch.equal(before[n], after[n])] == ["net.7.weight"]
    fresh = Learner()
    fresh.load_state_dict(after)
    pictures, _ = micro_batch(99)
    fresh.eval()
    with one.evaluating():
        assert torch.equal(one.forward(pictures)["logits"], fresh(pictures)["logits"])
    learn(one, 2, 3)
    moved = (one.state().module["net.7.weight"] - after["net.7.weight"]).abs().max()
    assert 0 < moved < 0.1
    one.close()


@every_engine
def test_evaluation_computes_no_gradients_and_moves_no_statistics(engine):
    one = built(engine)
    learn(one, 0, 2)
    before = one.state()
    with one.evaluating():
        assert not one.forward(micro_batch(5)[0])["logits"].requires_grad
    assert differing(before, one.state()) == []
    assert one.forward(micro_batch(5)[0])["logits"].requires_grad
    one.close()


@every_engine
def test_bf16_computes_coarsely_and_keeps_float32(engine):
    pictures, _ = micro_batch(0)
    fine, coarse = built(engine), None
    expected = fine.forward(pictures)["logits"].detach()
    fine.close()
    coarse = built(engine, precision="bf16")
    outputs = coarse.forward(pictures)["logits"].detach()
    learn(coarse, 0, 2)
    state = coarse.state()
    coarse.close()
    assert outputs.dtype == torch.float32
    assert not torch.equal(outputs, expected)
    assert torch.allclose(outputs, expected, atol=0.1)
    assert {v.dtype for n, v in state.module.items() if "num_batches" not in n} == {torch.float32}


@every_engine
def test_closing_leaves_the_group_and_may_be_done_twice(engine):
    one = built(engine)
    assert dist.is_initialized()
    one.close()
    one.close()
    assert not dist.is_initialized()


@every_engine
def test_a_state_of_another_learner_is_refused_by_name(engine):
    one = built("torch")
    state = one.state()
    one.close()
    other = {n: v for n, v in state.module.items() if n != "adapter.bias"}
    with pytest.raises(CheckpointError, match=r"`adapter\.bias` is missing"):
        built(engine, state=EngineState(other))
    assert not dist.is_initialized()


def test_an_engine_that_could_not_be_built_leaves_no_group_behind():
    wrong = EngineConfig(deepspeed={"zero_optimization": {"reduce_bucket_size": "many"}})
    with pytest.raises(Exception, match="reduce_bucket_size"):
        build_engine(EngineSetup(wrong, TrainConfig(), Learner(), group=Group()))
    assert not dist.is_initialized()
    one = built("zero_2")
    learn(one, 0, 1)
    one.close()


def test_the_users_deepspeed_settings_are_merged_in_and_change_no_bit():
    users = EngineConfig(
        zero_stage=2,
        deepspeed={"zero_optimization": {"reduce_bucket_size": 64, "contiguous_gradients": False}},
    )
    one = build_engine(EngineSetup(users, TrainConfig(batch_size=8), Learner(), group=Group()))
    learn(one, 0, 5)
    found = one.state()
    one.close()
    plain = built("torch")
    learn(plain, 0, 5)
    assert differing(found, plain.state()) == []
    plain.close()


def test_engines_print_and_warn_nothing(capfd, recwarn):
    for engine in ENGINES:
        one = built(engine)
        learn(one, 0, 1)
        one.state()
        one.close()
    assert capfd.readouterr() == ("", "")
    assert [str(w.message) for w in recwarn] == []
