"""The validation part in training and the held-out parts after it, against figures by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from students.engines.group import Group
from students.evaluation.evaluate import BATCH, compute_logits, evaluate, validate
from students.models.config import Preprocessing
from students.models.network import Network, Preprocess, weights_sha256
from students.models.profile import Costs, costs
from students.transfer_sets.catalog import load_transfer_set
from students.transfer_sets.config import Digits, Shift
from students.transfer_sets.transfer_set import TransferSet


class Engine:
    """What validation needs of an engine, around one network; ``others`` are all ranks' sums."""

    device = torch.device("cpu")

    def __init__(self, network: nn.Module, group: Group | None = None) -> None:
        self.group = group or Group()
        self.network = network
        self.sizes: list[int] = []
        self.sums: list[torch.Tensor] = []
        self.others: torch.Tensor | None = None

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        self.network.eval()
        yield
        self.network.train()

    def forward(self, inputs: torch.Tensor) -> dict[str, Any]:
        assert not self.network.training
        self.sizes.append(len(inputs))
        return {"logits": self.network(inputs)}

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        self.sums.append(values)
        return values if self.others is None else self.others


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TransferSet:
    folder = tmp_path_factory.mktemp("data")
    config = Digits(validation=600, labelled=0.5, augment=Shift(pixels=2))
    return load_transfer_set(config, folder=folder, cache=folder)


def network() -> Network:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(1), nn.Dropout(0.5), nn.Linear(64, 10))
    return Network(Preprocess(Preprocessing(), mean=[0.3], std=[0.3]), model)


def by_hand(data: TransferSet) -> tuple[float, float]:
    """On the pictures as they are, with all labels."""
    ids = torch.from_numpy(data.validation_ids)
    targets = torch.from_numpy(data.targets)[ids]
    with torch.no_grad():
        chances = network().eval()(data.inputs[ids]).double().softmax(1)
    nll = -chances[torch.arange(len(ids)), targets].log().mean()
    return (chances.argmax(1) == targets).double().mean().item(), nll.item()


def test_validation_is_of_unaugmented_pictures_and_all_labels_in_evaluation_mode(
    data: TransferSet,
) -> None:
    engine = Engine(network().train())
    accuracy, nll = validate(engine, data)  # type: ignore[arg-type]
    assert (accuracy, nll) == (pytest.approx(by_hand(data)[0]), pytest.approx(by_hand(data)[1]))
    assert engine.network.training, "training goes on as before"
    assert engine.sizes == [BATCH, BATCH, 600 - 2 * BATCH]


def test_ranks_divide_the_part_and_make_equally_many_forward_passes(data: TransferSet) -> None:
    engines = [Engine(network(), Group(rank, 2)) for rank in range(2)]
    for engine in engines:
        validate(engine, data)  # type: ignore[arg-type]
    assert [len(engine.sizes) for engine in engines] == [2, 2]
    total = sum(engine.sums[0] for engine in engines)
    again = Engine(network(), Group(0, 2))
    again.others = total
    assert validate(again, data) == (  # type: ignore[arg-type]
        pytest.approx(by_hand(data)[0]),
        pytest.approx(by_hand(data)[1]),
    )


def test_without_a_validation_part_nothing_is_computed(tmp_path: Path) -> None:
    engine = Engine(network())
    none = load_transfer_set(Digits(validation="none"), folder=tmp_path, cache=tmp_path)
    assert validate(engine, none) == (None, None)  # type: ignore[arg-type]
    assert engine.sizes == []


def test_an_evaluation_has_the_logits_of_each_held_out_sample_in_order(data: TransferSet) -> None:
    net = network()
    outcome, logits = evaluate(net.train(), data)
    with torch.no_grad():
        whole = net.eval()(data.inputs)
    on_test = compute_logits(net, data, data.test_ids)
    for found, ids in ((logits, data.validation_ids), (on_test, data.test_ids)):
        assert found.shape == (len(ids), 10)
        assert torch.allclose(found, whole[torch.from_numpy(ids)], atol=1e-6)
    assert outcome.weights_sha256 == weights_sha256(net.model)
    assert costs(net, data.shape) == Costs(650, 640, 2600)
    assert (outcome.parameters, outcome.macs, outcome.bytes) == (650, 640, 2600)


def test_an_evaluation_without_a_validation_part_has_no_logits_there(tmp_path: Path) -> None:
    none = load_transfer_set(Digits(validation="none"), folder=tmp_path, cache=tmp_path)
    _, logits = evaluate(network(), none)
    assert logits.shape == (0, 10)
