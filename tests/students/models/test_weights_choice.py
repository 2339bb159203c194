"""What of a checkpoint is meant: its part, the prefix of its names, and what is left out."""

from __future__ import annotations

import argparse
import pathlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from students.errors import WeightsError
from students.models.config import Weights
from students.models.torchvision_models import TorchvisionModel
from students.models.weights import WeightsSummary, check_weights_header, load_weights

PLACE = "student.weights"


def model() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def under(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in state.items()}


def used(folder: Path, content: Any, **settings: Any) -> tuple[dict[str, Tensor], WeightsSummary]:
    """The state of a model that is given a file with ``content``, and what is said of it."""
    torch.save(content, folder / "w")
    weights, given = Weights(path="w", **settings), {"path_in_recipe": PLACE, "folder": folder}
    network = model()
    summary = check_weights_header(network, weights, **given)
    load_weights(network, weights, **given)
    return dict(network.state_dict()), summary


def refused(folder: Path, content: Any, **settings: Any) -> str:
    with pytest.raises(WeightsError) as caught:
        used(folder, content, **settings)
    return caught.value.message


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[n], right[n]) for n in left)


STATE, OTHER = dict(model().state_dict()), dict(model().state_dict())

FOUND: dict[str, Any] = {
    "a tensor beside them": {"state_dict": STATE, "best_acc1": torch.tensor(76.1)},
    "a loss beside the model": {"state_dict": under("model.", STATE) | {"loss.w": torch.ones(2)}},
    "another wrapper": {"state_dict": under("net.", STATE) | {"metric.total": torch.tensor(3)}},
    "compiled inside": {n.replace("0.", "0._orig_mod.", 1): t for n, t in STATE.items()},
    "sharded": under("_fsdp_wrapped_module.", STATE),
    "counted": STATE | {"total_ops": torch.zeros(1), "0.total_params": torch.zeros(1)},
    "an unusual name": {"weights": STATE, "epoch": torch.tensor(3)},
    "half precision": {name: tensor.to(torch.float64) for name, tensor in STATE.items()},
    "plain data": {
        "model": STATE,
        "best": np.float64(93.4),
        "history": np.arange(3),
        "args": argparse.Namespace(lr=0.1, out=pathlib.PurePosixPath("out")),
    },
}


@pytest.mark.parametrize("content", FOUND.values(), ids=FOUND.keys())
@pytest.mark.filterwarnings("ignore")
def test_weights_that_can_be_meant_in_one_way_are_found(tmp_path: Path, content: Any) -> None:
    state, summary = used(tmp_path, content)
    assert same(state, STATE)
    assert summary.initial == ()


def test_what_is_not_used_is_said(tmp_path: Path) -> None:
    _, summary = used(tmp_path, FOUND["a loss beside the model"])
    assert summary.notes == (
        "`student.weights` ('w'): not used, outside the prefix 'model.': loss.w.",
    )
    _, summary = used(tmp_path, {"state_dict": STATE, "state_dict_ema": OTHER})
    assert "its part 'state_dict'; 'state_dict_ema' would fit too" in summary.notes[0]
    _, summary = used(tmp_path, FOUND["an unusual name"])
    assert "its part 'weights', the only ones that fit" in summary.notes[0]


SEVERAL: dict[str, Any] = {
    "{strip_prefix: 'encoder_q.'} or {strip_prefix: 'encoder_k.'}": {
        **under("encoder_q.", STATE), **under("encoder_k.", OTHER), "queue": torch.zeros(3),
    },
    "{key: 'student'} or {key: 'teacher'}": {"student": STATE, "teacher": OTHER},
    "{key: 'state_dict', strip_prefix: 'model.'} or "
    "{key: 'state_dict', strip_prefix: 'ema_model.module.'}": {
        "state_dict": {**under("model.", STATE), **under("ema_model.module.", OTHER)},
    },
    "{key: 'state_dict', strip_prefix: 'backbone.'}": {"state_dict": under("backbone.", STATE)},
}  # fmt: skip


@pytest.mark.parametrize("settings", SEVERAL)
def test_weights_under_other_names_are_offered_with_their_settings(
    tmp_path: Path, settings: str
) -> None:
    message = refused(tmp_path, SEVERAL[settings])
    assert message.endswith(f"choose by `student.weights`: {settings}")


def test_a_prefix_of_the_recipe_leaves_other_names_out(tmp_path: Path) -> None:
    content = {"model": under("module.student.", OTHER) | under("module.teacher.", STATE)}
    for prefix in ("module.teacher.", "module.teacher"):
        state, summary = used(tmp_path, content, strip_prefix=prefix)
        assert same(state, STATE)
        assert f"not used, outside the prefix '{prefix}': module.student." in summary.notes[0]


def test_a_head_beside_a_backbone_is_used_with_it(tmp_path: Path) -> None:
    content = {n if n.startswith("2.") else f"backbone.{n}": t for n, t in STATE.items()}
    assert same(used(tmp_path, content, strip_prefix="backbone.")[0], STATE)


def test_a_part_is_named_by_a_dotted_key(tmp_path: Path) -> None:
    content = {"runs": {"first": STATE, "second": OTHER}}
    assert same(used(tmp_path, content, key="runs.second")[0], OTHER)


def test_modules_that_are_left_out_keep_their_initial_values_and_it_is_said(tmp_path: Path) -> None:
    content = STATE | {"2.weight": torch.zeros(1000, 4), "2.bias": torch.zeros(1000)}
    message = refused(tmp_path, content)
    assert "2 of another shape (2.weight [1000, 4], not [2, 4]" in message
    assert message.endswith("set `student.weights.leave_out: [2]`")
    state, summary = used(tmp_path, content, leave_out=("2",))
    assert torch.equal(state["0.weight"], STATE["0.weight"])
    assert state["2.weight"].abs().min() > 0
    assert summary.initial == ("2.weight", "2.bias")
    assert "so that the model starts with new ones: 2.weight, 2.bias." in summary.notes[0]


def test_a_second_head_of_the_file_can_be_left_out(tmp_path: Path) -> None:
    content = STATE | {"aux.fc.weight": torch.zeros(2, 4), "aux.fc.bias": torch.zeros(2)}
    assert refused(tmp_path, content).endswith(
        "to use the rest alone, set `student.weights.leave_out: [aux]`"
    )
    assert same(used(tmp_path, content, leave_out=("aux",))[0], STATE)
    message = refused(tmp_path, content, leave_out=("aux", "head"))
    assert message.startswith("`student.weights.leave_out` is ['aux', 'head'], but neither")


def test_outputs_are_selected_in_order(tmp_path: Path) -> None:
    weight, bias = torch.randn(9, 4), torch.randn(9)
    content = STATE | {"2.weight": weight, "2.bias": bias}
    state, _ = used(tmp_path, content, select_outputs=(7, 2))
    assert torch.equal(state["2.weight"], weight[[7, 2]])
    assert torch.equal(state["2.bias"], bias[[7, 2]])
    for wrong in ((7, 2, 1), (7, 9)):
        assert "which selects nothing" in refused(tmp_path, content, select_outputs=wrong)
    assert "which selects nothing" in refused(tmp_path, STATE, select_outputs=(1, 0))


def test_whole_numbers_are_no_weights(tmp_path: Path) -> None:
    whole = {name: tensor.to(torch.int8) for name, tensor in STATE.items()}
    assert "0.weight not of floating-point numbers" in refused(tmp_path, whole)
    save_file(whole, tmp_path / "w.safetensors")
    weights = Weights(path="w.safetensors")
    with pytest.raises(WeightsError, match="not of floating-point numbers"):
        check_weights_header(model(), weights, path_in_recipe=PLACE, folder=tmp_path)


@pytest.mark.parametrize(
    ("name", "published", "own"),
    [
        ("googlenet", "aux1.fc1.weight", None),
        ("inception_v3", "AuxLogits.fc.bias", None),
        ("resnet18", "aux1.fc1.weight", "aux1.fc1.weight"),
        ("densenet121", "features.denseblock1.denselayer2.norm.1.weight",
         "features.denseblock1.denselayer2.norm1.weight"),
        ("densenet121", "features.transition1.norm.weight", "features.transition1.norm.weight"),
        ("vit_b_16", "encoder.layers.encoder_layer_0.mlp.linear_2.bias",
         "encoder.layers.encoder_layer_0.mlp.3.bias"),
    ],
)  # fmt: skip
def test_published_names_of_torchvision_are_turned_into_present_ones(
    name: str, published: str, own: str | None
) -> None:
    assert TorchvisionModel(name=name).tensor_name(published) == own


def test_tensors_that_only_training_uses_are_left_out(tmp_path: Path) -> None:
    torch.save(under("module.", STATE | {"aux.weight": torch.zeros(2)}), tmp_path / "w")
    network = model()
    summary = check_weights_header(
        network,
        Weights(path="w"),
        path_in_recipe=PLACE,
        folder=tmp_path,
        own_name=lambda name: None if name.startswith("aux.") else name,
    )
    assert "left out, for only training uses them: module.aux.weight." in summary.notes[0]
