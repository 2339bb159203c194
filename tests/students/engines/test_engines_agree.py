"""Whichever engine, ZeRO stage and number of ranks: the same student."""

import multiprocessing
import traceback
from dataclasses import replace

import psutil
import pytest
import torch

from students.engines.group import Group, free_ports
from students.optimizers import AdamW, Sgd
from students.torch_state import use_threads
from tests.students.engines.engine_cases import (
    ENGINES,
    Learner,
    built,
    differing,
    flat,
    learn,
    micro_batch,
)

OPTIMIZERS = {"sgd": Sgd(weight_decay=1e-3), "adamw": AdamW(lr=0.001)}
STAGES = [name for name in ENGINES if name != "torch"]
FROZEN = ("torch", "zero_2", "zero_3")
"""Engines whose two ranks are also given frozen layers."""


@pytest.fixture(autouse=True)
def one_thread():
    with use_threads(1):
        yield


def after_twenty(engine, *, optimizer, clipping):
    one = built(engine, optimizer=OPTIMIZERS[optimizer], gradient_clipping=clipping, accumulation=2)
    results = learn(one, 0, 20, micro_batches=2)
    state = one.state()
    one.close()
    return results, state


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("clipping", [1.0, "none"])
def test_on_one_rank_all_give_the_same_bits(optimizer, clipping):
    expected, expected_state = after_twenty("torch", optimizer=optimizer, clipping=clipping)
    assert any(outcome.gradient_norm > 1 for _, outcome in expected)
    for stage in STAGES:
        results, state = after_twenty(stage, optimizer=optimizer, clipping=clipping)
        assert results == expected, stage
        assert differing(state, expected_state) == [], stage


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_state_goes_from_engine_to_engine_without_losing_a_bit(optimizer):
    _, expected = after_twenty("torch", optimizer=optimizer, clipping=1.0)
    state, done = None, 0
    for engine in ("torch", "zero_2", "zero_0", "zero_3", "zero_1"):
        one = built(engine, optimizer=OPTIMIZERS[optimizer], accumulation=2, state=state)
        learn(one, done, done + 4, micro_batches=2)
        state, done = one.state(), done + 4
        one.close()
    assert differing(state, expected) == []


# --- two ranks: one pair of processes carries out every case, for each imports DeepSpeed again


def cases(ports):
    return [(engine, name, next(ports), next(ports)) for engine in ENGINES for name in OPTIMIZERS]


def listening_at():
    """The addresses at which this process listens."""
    found = psutil.Process().net_connections("tcp")
    return {connection.laddr.ip for connection in found if connection.status == "LISTEN"}


def one_rank_of_two(rank, ports, results):
    try:
        results.put((rank, carried_out(rank, iter(ports))))
    except BaseException:
        results.put((rank, traceback.format_exc()))
        raise


def carried_out(rank, ports):
    """What every case gave on this rank."""
    torch.set_num_threads(1)
    found = {}
    for engine, name, port, next_port in cases(ports):
        group = Group(rank=rank, ranks=2, port=port, timeout_seconds=60)
        seen, middle = taught(engine, name, group)
        resumed = built(
            engine,
            optimizer=OPTIMIZERS[name],
            group=replace(group, port=next_port),
            state=middle,
        )
        learn(resumed, 10, 20, micro_batches=2)
        resumed.sync_buffers()
        end = flat(resumed.state())
        resumed.close()
        same = end.keys() == seen["end"].keys()
        seen["resumed"] = same and all(
            (end[n].numpy() == value).all() for n, value in seen["end"].items()
        )
        found[engine, name] = seen
    for engine in FROZEN:
        group = Group(rank=rank, ranks=2, port=next(ports), timeout_seconds=60)
        one = built(engine, group=group, frozen=2, optimizer=Sgd(weight_decay=0.1))
        learn(one, 0, 5, micro_batches=2)
        one.sync_buffers()
        found["frozen", engine] = {n: v.numpy() for n, v in one.state().module.items()}
        one.close()
    return found


def taught(engine, name, group):
    one = built(engine, optimizer=OPTIMIZERS[name], group=group)
    losses = learn(one, 0, 10, micro_batches=2)
    listening = listening_at()
    before_sync = one.state().module["net.1.running_mean"]
    one.sync_buffers()
    middle = one.state()
    losses += learn(one, 10, 20, micro_batches=2)
    one.sync_buffers()
    end = one.state()
    one.sync_buffers()
    synced_twice = differing(end, one.state())
    ((_, skipped),) = learn(one, 20, 21, micro_batches=2, poisoned={(20, 1)})
    one.sync_buffers()
    after_skip = differing(end, one.state())
    one.constrain(lambda name, value: value / 2 if name == "net.7.weight" else None)
    halved = one.state().module["net.7.weight"]
    one.close()
    return {
        "losses": [loss for loss, _ in losses],
        "end": {n: v.numpy() for n, v in flat(end).items()},
        "before_sync": before_sync.numpy(),
        "synced": middle.module["net.1.running_mean"].numpy(),
        "synced_twice": synced_twice,
        "skipped": not skipped.finite,
        "after_skip": after_skip,
        "halved": halved.numpy(),
        "listening": listening,
    }, middle


@pytest.fixture(scope="module")
def pair():
    context = multiprocessing.get_context("spawn")
    ports = free_ports(2 * len(ENGINES) * len(OPTIMIZERS) + len(FROZEN))
    results = context.Queue()
    ranks = [
        context.Process(target=one_rank_of_two, args=(rank, ports, results), daemon=True)
        for rank in (0, 1)
    ]
    for process in ranks:
        process.start()
    found = {}
    try:
        while len(found) < 2:
            rank, seen = results.get(timeout=150)
            assert isinstance(seen, dict), seen
            found[rank] = seen
        for process in ranks:
            process.join(30)
        assert [process.exitcode for process in ranks] == [0, 0]
    finally:
        for process in ranks:
            process.kill()
            process.join()
    return [found[0], found[1]]


@pytest.fixture(scope="module")
def alone():
    found = {}
    with use_threads(1):
        for name, optimizer in OPTIMIZERS.items():
            one = built("torch", optimizer=optimizer, accumulation=2)
            losses = learn(one, 0, 20, micro_batches=2)
            found[name] = ([loss for loss, _ in losses], one.state())
            one.close()
    return found


every_pair = pytest.mark.parametrize(
    ("engine", "name"), [(engine, name) for engine in ENGINES for name in OPTIMIZERS]
)


def tensors(pair, engine, name, rank=0):
    return {n: torch.from_numpy(v) for n, v in pair[rank][engine, name]["end"].items()}


@every_pair
def test_two_ranks_agree_with_one(pair, alone, engine, name):
    losses, expected = alone[name]
    found = tensors(pair, engine, name)
    assert pair[0][engine, name]["losses"][0] == pytest.approx(losses[0], abs=1e-6)
    parameters = [n for n, _ in Learner().named_parameters()]
    if name == "sgd":
        furthest = max(float((found[n] - expected.module[n]).abs().max()) for n in parameters)
        assert furthest < 1e-5
    pictures, _ = micro_batch(99)
    assert outputs(found, pictures) == pytest.approx(
        outputs(expected.module, pictures), abs=1e-5 if name == "sgd" else 1e-3
    )


def outputs(module, pictures):
    """What the trained weights answer, on statistics of the pictures themselves."""
    learner = Learner()
    learner.load_state_dict({n: v for n, v in module.items() if n in learner.state_dict()})
    with torch.no_grad():
        return learner(pictures)["logits"].numpy()


@every_pair
def test_two_ranks_hold_the_same_state(pair, engine, name):
    one, other = (tensors(pair, engine, name, rank) for rank in (0, 1))
    assert [n for n in one if not torch.equal(one[n], other[n])] == []


@every_pair
def test_two_ranks_resume_exactly(pair, engine, name):
    assert [rank[engine, name]["resumed"] for rank in pair] == [True, True]


@every_pair
def test_synced_buffers_are_mean_statistics_and_added_up_counts(pair, engine, name):
    found = tensors(pair, engine, name)
    assert int(found["net.1.num_batches_tracked"]) == 40
    assert pair[0][engine, name]["synced_twice"] == []
    before_sync = [rank[engine, name]["before_sync"] for rank in pair]
    assert (before_sync[0] != before_sync[1]).any()
    assert pair[0][engine, name]["synced"] == pytest.approx(sum(before_sync) / 2, abs=1e-6)


@every_pair
def test_a_gradient_that_is_not_finite_on_one_rank_stops_both(pair, engine, name):
    for rank in pair:
        assert rank[engine, name]["skipped"]
        assert all("running_" in n or "num_b" in n for n in rank[engine, name]["after_skip"])


@every_pair
def test_constrain_reaches_all_ranks(pair, engine, name):
    for rank in pair:
        weight = rank[engine, name]["end"]["net.7.weight"]
        assert rank[engine, name]["halved"] == pytest.approx(weight / 2, abs=0)


@pytest.mark.parametrize("engine", FROZEN)
def test_frozen_layers_keep_every_bit_on_two_ranks_their_statistics_too(pair, engine):
    start = Learner().state_dict()
    for rank in pair:
        end = rank["frozen", engine]
        moved = {name for name, value in end.items() if (value != start[name].numpy()).any()}
        assert moved.isdisjoint(name for name in start if name.startswith(("net.0.", "net.1.")))
        assert {"net.4.weight", "net.5.running_mean", "net.7.bias"} <= moved


@every_pair
def test_ranks_on_loopback_listen_nowhere_else(pair, engine, name):
    for rank in pair:
        assert rank[engine, name]["listening"] == {"127.0.0.1"}
