"""A network of some classes is asked like one of all of them."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from students.models.build import build_model
from students.models.in_a_row import Mlp, PlainCnn
from students.models.network import UNKNOWN, Network, Preprocess, Spread, spread_of, weights_sha256
from students.models.profile import costs
from students.models.taps import recording
from teachers.inference.answer_encoding import decode, encode
from teachers.inference.runnable import fold

SHAPE, TOTAL, CLASSES = (1, 8, 8), 10, (3, 5, 9)


def network(classes: tuple[int, ...] | None = CLASSES, model: Mlp | PlainCnn | None = None):  # type: ignore[no-untyped-def]
    config = model or Mlp(hidden=(8,))
    count = TOTAL if classes is None else len(classes)
    built = build_model(config, input_shape=SHAPE, classes=count, seed=0, folder=Path())
    first = Preprocess(config.preprocessing, mean=(0.5,), std=(0.5,))
    return Network(first, built, spread_of(classes, TOTAL)).eval()


def pictures(count: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, *SHAPE), generator=generator, dtype=torch.uint8)


def test_each_output_is_at_its_class_and_the_rest_is_unknown() -> None:
    made = network((9, 3, 5))
    logits, own = made(pictures()), made.model(made.preprocess(pictures()))
    assert logits.shape == (4, TOTAL)
    assert torch.equal(logits[:, [9, 3, 5]], own)
    assert bool((logits[:, [0, 1, 2, 4, 6, 7, 8]] == UNKNOWN).all())


@pytest.mark.parametrize("temperature", [0.1, 1.0, 1000.0])
def test_a_softmax_over_all_classes_is_that_over_the_known_ones(temperature: float) -> None:
    own = torch.tensor([[2.0, -30.0, 5.0], [0.0, 0.0, 0.0]])
    whole = (Spread(CLASSES, TOTAL)(own) / temperature).softmax(1)
    assert torch.allclose(whole[:, CLASSES], (own / temperature).softmax(1), atol=1e-7)
    assert float(whole.sum(1).sub(1).abs().max()) < 1e-6
    unknown = [name for name in range(TOTAL) if name not in CLASSES]
    assert float(whole[:, unknown].max()) < 1e-25


def test_what_is_unknown_is_kept_and_shipped_as_it_is() -> None:
    values = torch.full((2, 3), UNKNOWN)
    assert torch.equal(decode(encode(values)), values)


def test_all_classes_in_order_need_no_map() -> None:
    assert spread_of(None, TOTAL) is None
    assert spread_of(range(TOTAL), TOTAL) is None
    assert spread_of((1, 0), 2) is not None


def test_another_order_of_all_classes_only_moves_columns() -> None:
    order = tuple(reversed(range(TOTAL)))
    turned, plain = network(order), network(None)
    plain.model.load_state_dict(turned.model.state_dict())
    assert torch.equal(turned(pictures()), plain(pictures()).flip(1))


def test_the_map_is_no_weight_and_costs_nothing() -> None:
    made = network()
    bare = Network(made.preprocess, made.model)
    assert weights_sha256(made.model) == weights_sha256(bare.model)
    assert made.state_dict().keys() == bare.state_dict().keys()
    assert costs(made, SHAPE) == costs(bare, SHAPE)


def test_taps_folding_and_layout_are_not_concerned() -> None:
    made = network(model=PlainCnn(channels=(3, 3)))
    other = copy.deepcopy(made)
    assert fold(other.model)
    other.model.to(memory_format=torch.channels_last)
    with recording({"stage1": made.model.stage1}) as recorded:
        logits = made(pictures())
        assert recorded["stage1"].shape[:2] == (4, 3)
    assert torch.allclose(other(pictures()), logits, atol=1e-4)


def test_it_runs_on_the_meta_device() -> None:
    made = network().to("meta")
    assert made(pictures().to("meta")).shape == (4, TOTAL)
