import copy
import re

import pytest
import torch
from torch import nn

from students.errors import ModelError
from students.models.taps import find_layer, probe_shapes, recording, reduced, reduced_shape


class Branching(nn.Module):
    """A picture network with layers of every awkward sort."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.act = nn.ReLU(inplace=True)
        self.blocks = nn.ModuleList([nn.Conv2d(4, 6, 3, stride=2), nn.Conv2d(6, 6, 1)])
        self.pair = Pair()
        self.idle = nn.Linear(2, 2)
        self.head = nn.Linear(6, 10)
        self.calls = 0

    def forward(self, pictures):
        self.calls += 1
        maps = self.act(self.norm(self.stem(pictures)))
        for block in self.blocks:
            maps = block(maps)
        maps, _ = self.pair(maps)
        return self.head(maps.mean((2, 3)))


class Pair(nn.Module):
    def forward(self, maps):
        return maps, maps


def _pictures(seed=0, count=2):
    return torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed))


def test_a_layer_is_found_by_its_modules_name():
    model = Branching()
    assert find_layer(model, "blocks.1") is model.blocks[1]


def test_a_missing_layer_is_reported_with_its_place_and_the_nearest_names():
    with pytest.raises(ModelError) as caught:
        find_layer(Branching(), "block.0", place="student.objective.near.guided")
    assert caught.value.path == "student.objective.near.guided"
    assert re.search(
        r"`student\.objective\.near\.guided` is 'block\.0', which is not a layer of Branching; "
        r".*'blocks\.0'",
        str(caught.value),
    )


def test_the_network_itself_is_no_layer():
    with pytest.raises(ModelError):
        find_layer(Branching(), "")


def test_a_recorded_layer_holds_what_the_layer_gave_with_its_gradient():
    model, pictures = Branching(), _pictures()
    with recording({"stem": model.stem}) as recorded:
        model(pictures)
        recorded["stem"].sum().backward()
    torch.testing.assert_close(model.stem.bias.grad, torch.full((4,), 2.0 * 64))
    assert model.head.weight.grad is None


@pytest.mark.parametrize("grade", [torch.enable_grad, torch.inference_mode])
def test_a_layer_changed_in_place_by_the_next_is_recorded_as_it_was(grade):
    model, pictures = Branching().eval(), _pictures()
    with grade(), recording({"norm": model.norm, "act": model.act}) as recorded:
        model(pictures)
        before = recorded["norm"].detach()
        assert torch.equal(before, model.norm(model.stem(pictures)).detach())
        assert (before < 0).any() and (recorded["act"] >= 0).all()


def test_after_its_context_a_recording_holds_nothing_and_the_model_carries_no_hook():
    model = Branching()
    with recording({"stem": model.stem}) as recorded:
        model(_pictures())
        assert set(recorded) == {"stem"}
    assert not recorded and not model.stem._forward_hooks
    with pytest.raises(RuntimeError, match="broken"), recording({"stem": model.stem}):
        raise RuntimeError("broken")
    assert not model.stem._forward_hooks


def test_a_recording_never_gives_an_earlier_pass():
    model = Branching().eval()
    with recording({"stem": model.stem}) as recorded:
        model(_pictures())
    with recording({"stem": model.stem}) as recorded:
        with pytest.raises(ModelError, match="was not run"):
            recorded["stem"]
        model(_pictures(1))
        assert torch.equal(recorded["stem"], model.stem(_pictures(1)))


def test_a_layer_that_gives_no_tensor_is_refused():
    model = Branching()
    refused = pytest.raises(ModelError, match="'pair', which gives a tuple")
    with recording({"pair": model.pair}), refused:
        model(_pictures())


def test_pool_averages_positions_and_none_keeps_all():
    maps = _pictures()
    torch.testing.assert_close(reduced(maps, "pool"), maps.flatten(2).mean(2))
    assert reduced(maps, "none") is maps
    assert reduced_shape((3, 8, 8), "pool") == reduced(maps, "pool").shape[1:]
    assert reduced_shape((5, 6), "none") == (5, 6)


@pytest.mark.parametrize("shape", [(16,), (7, 16)])
def test_pool_of_what_has_no_height_and_width_is_refused(shape):
    with pytest.raises(ModelError, match=r"`reduction` is 'pool'.*leave `reduction` out"):
        reduced(torch.zeros(2, *shape), "pool")


@pytest.mark.parametrize("shape", [(3, 8, 8), (5, 6), (6,)])
def test_an_embedding_averages_positions_and_leaves_vectors_as_they_are(shape):
    layer = torch.randn(2, *shape)
    vector = reduced(layer, "embedding")
    assert (
        reduced_shape(shape, "embedding")
        == vector.shape[1:]
        == (shape[-1 if len(shape) < 3 else 0],)
    )
    expected = {3: lambda: layer.flatten(2).mean(2), 2: lambda: layer.mean(1), 1: lambda: layer}
    torch.testing.assert_close(vector, expected[len(shape)]())


@pytest.mark.parametrize("shape", [(), (2, 3, 4, 5)])
def test_no_vector_is_made_of_anything_else(shape):
    with pytest.raises(ModelError, match=r"`there` is a layer of shape .*\(L, D\) or \(D\)"):
        reduced_shape(shape, "embedding", place="there")


def test_probed_shapes_are_those_of_a_real_pass():
    model, names = Branching(), ["stem", "blocks.0", "blocks.1", "head"]
    probed = probe_shapes(model, (3, 8, 8), names)
    with recording({name: find_layer(model, name) for name in names}) as recorded:
        model(_pictures())
        assert probed == {name: tuple(recorded[name].shape[1:]) for name in names}
    assert probed["blocks.0"] == (6, 3, 3)


def test_a_probe_changes_nothing_of_the_model():
    model = Branching()
    model.norm.eval()
    before = copy.deepcopy(model.state_dict())
    probe_shapes(model, (3, 8, 8), ["stem"])
    assert model.training and not model.norm.training and not model.stem._forward_hooks
    for name, value in model.state_dict().items():
        assert value.device.type == "cpu" and torch.equal(value, before[name])


def test_a_model_without_weights_is_probed():
    with torch.device("meta"):
        model = Branching()
    assert probe_shapes(model, (3, 8, 8), ["blocks.1"]) == {"blocks.1": (6, 3, 3)}


class NeedsValues(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 3)

    def forward(self, x):
        y = self.first(x)
        return y if float(y.sum()) < 1e9 else -y


def test_a_model_that_needs_values_is_probed():
    for device in ("cpu", "meta"):
        with torch.device(device):
            model = NeedsValues()
        assert probe_shapes(model, (4,), ["first"]) == {"first": (3,)}


@pytest.mark.parametrize(
    ("layer", "sentence"),
    [
        ("blocks", r"`here` is 'blocks', which Branching does not run .* 'blocks\.0'"),
        ("idle", r"`here` is 'idle', which Branching does not run .* name another"),
        ("pair", r"'pair', which gives a tuple"),
        ("blcks.0", r"`here` is 'blcks\.0', which is not a layer .*'blocks\.0'"),
    ],
)
def test_a_probe_refuses_layers_that_give_no_tensor(layer, sentence):
    with pytest.raises(ModelError, match=sentence):
        probe_shapes(Branching(), (3, 8, 8), [layer], place="here")


def test_a_probe_says_when_pictures_are_too_small_for_the_model():
    with pytest.raises(ModelError, match="Branching, which cannot take inputs of 3x2x2") as caught:
        probe_shapes(Branching(), (3, 2, 2), ["stem"])
    assert caught.value.path == "model" and "\n" not in str(caught.value)
