"""Weights files, good and bad."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from students.errors import WeightsError
from students.models.config import Weights
from students.models.weights import check_weights_header, load_weights

PLACE = "teachers.deep.weights"


def small_model() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def read(folder: Path, **settings: Any) -> dict[str, Tensor]:
    model = small_model()
    load_weights(model, Weights(**settings), path_in_recipe=PLACE, folder=folder)
    return dict(model.state_dict())


def load(model: nn.Module, folder: Path) -> None:
    load_weights(model, Weights(path="w.pt"), path_in_recipe=PLACE, folder=folder)


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(WeightsError) as caught:
        action()
    assert caught.value.path.startswith(f"{PLACE}.")
    assert caught.value.message.startswith(f"`{caught.value.path}` is ")
    return caught.value.message


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[n], right[n]) for n in left)


@pytest.mark.parametrize("part", [None, "state_dict", "model", "ema", "model_state_dict"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "_orig_mod.module.model."])
@pytest.mark.parametrize("zipped", [True, False])
def test_weights_are_found_under_usual_names_and_prefixes(
    tmp_path: Path, part: str | None, prefix: str, zipped: bool
) -> None:
    state = small_model().state_dict()
    saved: Any = {prefix + name: tensor for name, tensor in state.items()}
    if part is not None:
        saved = {"epoch": 3, "best": 0.5, part: saved, "optimizer": {"lr": 0.1}}
    torch.save(saved, tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    assert same(read(tmp_path, path="w.pt"), state)


def test_a_safetensors_file_is_read_whatever_it_is_called(tmp_path: Path) -> None:
    state = small_model().state_dict()
    for name in ("w.safetensors", "w.bin"):
        save_file({f"module.{key}": tensor for key, tensor in state.items()}, tmp_path / name)
        assert same(read(tmp_path, path=name), state)


def test_plain_weights_come_before_their_average_unless_the_recipe_asks(tmp_path: Path) -> None:
    plain, average = small_model().state_dict(), small_model().state_dict()
    averaged = {"n_averaged": torch.tensor(3)} | {f"module.{n}": t for n, t in average.items()}
    torch.save({"ema": averaged, "model": plain}, tmp_path / "w.pt")
    assert same(read(tmp_path, path="w.pt"), plain)
    assert same(read(tmp_path, path="w.pt", key="ema"), average)


def test_weights_are_found_two_parts_deep(tmp_path: Path) -> None:
    state = small_model().state_dict()
    torch.save({"model": {"state_dict": state}}, tmp_path / "w.pt")
    assert same(read(tmp_path, path="w.pt"), state)


def test_a_prefix_of_the_recipe_is_taken_off(tmp_path: Path) -> None:
    state = small_model().state_dict()
    torch.save({f"student.{name}": tensor for name, tensor in state.items()}, tmp_path / "w.pt")
    assert same(read(tmp_path, path="w.pt", strip_prefix="student."), state)
    message = refusal(lambda: read(tmp_path, path="w.pt", strip_prefix="teacher."))
    assert "`teachers.deep.weights.strip_prefix` is 'teacher.'" in message
    assert "they fit with {strip_prefix: 'student.'}" in message
    torch.save({"other.weight": torch.zeros(3)}, tmp_path / "w.pt")
    message = refusal(lambda: read(tmp_path, path="w.pt", strip_prefix="teacher."))
    assert "no name in 'w.pt' begins so (the first is 'other.weight')" in message


def test_a_home_folder_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    torch.save(small_model().state_dict(), tmp_path / "w.pt")
    assert "0.weight" in read(Path("/nowhere"), path="~/w.pt")


def test_a_model_whose_own_module_is_called_like_a_wrapper_gets_its_weights(tmp_path: Path) -> None:
    model, other = nn.ModuleDict({"model": small_model()}), nn.ModuleDict({"model": small_model()})
    torch.save(model.state_dict(), tmp_path / "w.pt")
    load(other, tmp_path)
    assert same(dict(other.state_dict()), dict(model.state_dict()))


def test_counters_of_batch_normalisation_may_be_absent(tmp_path: Path) -> None:
    model, other = small_model(), small_model()
    state = {n: t for n, t in model.state_dict().items() if "num_batches" not in n}
    torch.save(state, tmp_path / "w.pt")
    load(other, tmp_path)
    assert same(dict(other.state_dict()), dict(model.state_dict()))


def misfit() -> dict[str, Tensor]:
    state = dict(small_model().state_dict())
    for name in ("0.weight", "0.bias"):
        state[f"old.{name}"] = state.pop(name)
    state["2.weight"] = torch.zeros(10, 4)
    return state


def test_a_misfit_is_reported_in_three_lines_and_changes_nothing(tmp_path: Path) -> None:
    model = small_model()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.save(misfit(), tmp_path / "w.pt")
    message = refusal(lambda: load(model, tmp_path))
    missing, unexpected, shape = message.splitlines()
    assert "'w.pt'" in missing
    assert "2 missing (0.weight, 0.bias)" in missing
    assert "2 unexpected (old.0.weight, old.0.bias)" in unexpected
    assert "1 of another shape (2.weight [10, 4], not [2, 4])" in shape
    assert same(dict(model.state_dict()), before)


@pytest.mark.parametrize("name", ["w.pt", "w.th", "w.safetensors"])
def test_the_header_is_judged_like_the_weights(tmp_path: Path, name: str) -> None:
    def save(state: dict[str, Tensor]) -> None:
        if name == "w.safetensors":
            save_file(state, tmp_path / name)
        else:
            torch.save(state, tmp_path / name, _use_new_zipfile_serialization=name == "w.pt")

    def check() -> None:
        check_weights_header(
            small_model().to("meta"), Weights(path=name), path_in_recipe=PLACE, folder=tmp_path
        )

    save(dict(small_model().state_dict()))
    check()
    save(misfit())
    assert "1 of another shape (2.weight [10, 4], not [2, 4])" in refusal(check)


def test_a_missing_file_is_reported() -> None:
    message = refusal(lambda: read(Path("/nowhere"), path="x.th"))
    assert message == (
        "`teachers.deep.weights.path` is 'x.th', which does not exist;"
        " give the path of a weights file"
    )


def test_a_folder_is_no_weights_file(tmp_path: Path) -> None:
    assert "is a folder" in refusal(lambda: read(tmp_path, path="."))


@pytest.mark.parametrize("name", ["w.pt", "w.th", "w.safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.99])
def test_a_truncated_file_is_refused_in_one_sentence(
    tmp_path: Path, name: str, share: float
) -> None:
    state = nn.Linear(50, 50).state_dict()
    if name == "w.safetensors":
        save_file(state, tmp_path / name)
    else:
        torch.save(state, tmp_path / name, _use_new_zipfile_serialization=name == "w.pt")
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(len(whole) * share)])
    message = refusal(lambda: read(tmp_path, path=name))
    assert "cannot be read" in message
    assert "\n" not in message


class Evil:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.target), "w"))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_malicious_file_is_named_and_never_run(tmp_path: Path, zipped: bool) -> None:
    target = tmp_path / "evil"
    content = {"state_dict": small_model().state_dict(), "extra": Evil(target)}
    torch.save(content, tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    check = lambda: check_weights_header(
        small_model(), Weights(path="w.pt"), path_in_recipe=PLACE, folder=tmp_path
    )
    for action in (lambda: read(tmp_path, path="w.pt"), check):
        message = refusal(action)
        assert "io.open" in message
        assert "\n" not in message
        assert not target.exists()


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_bare_malicious_pickle_is_refused_and_never_run(tmp_path: Path, protocol: int) -> None:
    target = tmp_path / "evil"
    (tmp_path / "w.pt").write_bytes(pickle.dumps(Evil(target), protocol=protocol))
    message = refusal(lambda: read(tmp_path, path="w.pt"))
    assert not target.exists()
    assert "\n" not in message
    assert "weights_only" not in message
    if protocol:
        assert "nothing of it was run" in message
    pickle.loads((tmp_path / "w.pt").read_bytes()).close()  # noqa: S301
    assert target.exists(), "the file would have done harm"


def test_a_harmless_object_is_refused_with_what_to_save_instead(tmp_path: Path) -> None:
    torch.save({"timer": Fraction(1, 2), "model": small_model().state_dict()}, tmp_path / "w.pt")
    message = refusal(lambda: read(tmp_path, path="w.pt"))
    assert "wants to call fractions.Fraction; nothing of it was run" in message
    assert "state_dict()" in message


def test_a_file_without_weights_is_reported_with_what_it_has(tmp_path: Path) -> None:
    torch.save({"model": {}, "epoch": 3}, tmp_path / "w.pt")
    message = refusal(lambda: read(tmp_path, path="w.pt"))
    assert "holds no tensors by name (it has: model, epoch;" in message
    torch.save({"something": {"a": torch.zeros(1)}}, tmp_path / "w.pt")
    assert "in its part 'something'" in refusal(lambda: read(tmp_path, path="w.pt"))
    message = refusal(lambda: read(tmp_path, path="w.pt", key="sometime"))
    assert "`teachers.deep.weights.key` is 'sometime'" in message
    assert "something" in message


def test_a_part_of_a_safetensors_file_cannot_be_asked_for(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "w.safetensors")
    assert "has no parts" in refusal(lambda: read(tmp_path, path="w.safetensors", key="model"))
