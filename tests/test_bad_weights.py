"""Weights that are no weights, of another network, or a trap: refused in a sentence, never run."""

from __future__ import annotations

import json
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from students.models.build import build_model
from students.models.config import Model
from students.models.in_a_row import Mlp
from students.models.residual import ResNetCifar
from tests.refusals import invoke, refused

LOADED = ("teachers.wide.train=null", "teachers.wide.engine=null")


def weights(model: Model, classes: int = 10) -> dict[str, torch.Tensor]:
    shape = (1, 8, 8)
    return build_model(
        model, input_shape=shape, classes=classes, seed=0, folder=Path()
    ).state_dict()


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


def truncated(folder: Path) -> None:
    whole = folder / "whole"
    torch.save(weights(Mlp(hidden=(64,))), whole)
    (folder / "w").write_bytes(whole.read_bytes()[:-100])


def truncated_safetensors(folder: Path) -> None:
    whole = safetensors.torch.save(weights(Mlp(hidden=(64,))))
    (folder / "w").write_bytes(whole[:-100])


def empty(folder: Path) -> None:
    (folder / "w").touch()


def other_architecture(folder: Path) -> None:
    torch.save(weights(ResNetCifar(depth=8)), folder / "w")


def other_classes(folder: Path) -> None:
    torch.save(weights(Mlp(hidden=(64,)), classes=100), folder / "w")


def a_folder(folder: Path) -> None:
    (folder / "w").mkdir()


def nothing(folder: Path) -> None:
    """Leaves nothing where the recipe looks."""


WEIGHTS: list[tuple[Callable[[Path], None], str]] = [
    (nothing, r"does not exist; give the path of a weights file"),
    (a_folder, r"is a folder; give the path of a weights file"),
    (empty, r"cannot be read: it is empty \(0 bytes\); fetch it again"),
    (truncated, r"cannot be read: it is damaged, cut short, .*; fetch it again"),
    (truncated_safetensors, r"cannot be read: it is damaged, cut short, .*; fetch it again"),
    (
        other_architecture,
        r"does not fit this model: 4 missing \(hidden\.0\.linear\.weight, .*\n.*37 unexpected"
        r".*\n.*; give the weights of this very model, or change the model",
    ),
    (other_classes, r"has 100 outputs \(output\.weight, .*10 classes are wanted.*select_outputs"),
]


@pytest.mark.parametrize(("spoil", "reason"), WEIGHTS, ids=[case[0].__name__ for case in WEIGHTS])
def test_weights_that_cannot_be_used_are_reported_by_run_and_by_the_deep_check(
    tmp_path: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    spoil(tmp_path)
    settings = (*LOADED, "teachers.wide.weights=w")
    message = refused(tmp_path, *settings)
    assert message.startswith("`teachers.wide.weights.path` is 'w', which ")
    assert re.search(reason, message), message
    checked = invoke(tmp_path, "check", "--deep", *settings)
    assert (checked.exit_code, checked.stderr.rstrip("\n")) == (2, message)


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle", "safetensors_by_name"])
def test_a_malicious_pickle_is_refused_and_never_run(tmp_path: Path, form: str) -> None:
    trap = tmp_path / "sprung"
    content = {"state_dict": weights(Mlp(hidden=(64,))), "more": Evil(f"touch {trap}")}
    file = tmp_path / ("w.safetensors" if form == "safetensors_by_name" else "w")
    if form in ("zip", "legacy"):
        torch.save(content, file, _use_new_zipfile_serialization=form == "zip")
    else:
        file.write_bytes(pickle.dumps(Evil(f"touch {trap}")))
    for place in (f"teachers.wide.weights={file}", f"student.weights={file}"):
        settings = (*LOADED, place) if "teachers" in place else (place,)
        message = refused(tmp_path, *settings)
        assert "`" + place.partition("=")[0] + ".path` is" in message
        if form != "safetensors_by_name":
            assert "nothing of it was run" in message
    assert not trap.exists()
    if form == "pickle":
        pickle.loads(file.read_bytes())  # noqa: S301
        assert trap.exists(), "the trap itself is a real one"


def test_weights_of_some_classes_are_reported_as_needing_a_class_map(tmp_path: Path) -> None:
    torch.save(weights(Mlp(hidden=(64,)), classes=3), tmp_path / "w")
    message = refused(tmp_path, *LOADED, "teachers.wide.weights=w")
    assert message == (
        "`teachers.wide.classes` is not set, but `teachers.wide.weights.path` ('w') has 3 outputs, "
        "and the transfer set 10 classes; list the class of each output, in their order"
    )


def test_a_class_map_of_another_length_than_the_outputs_is_reported(tmp_path: Path) -> None:
    torch.save(weights(Mlp(hidden=(64,)), classes=3), tmp_path / "w")
    message = refused(tmp_path, *LOADED, "teachers.wide.weights=w", "teachers.wide.classes=[3, 5]")
    assert message == (
        "`teachers.wide.classes` names 2 classes, but `teachers.wide.weights.path` ('w') has 3 "
        "outputs; name one class for each of them, in their order"
    )


def test_the_deep_check_notes_what_of_a_file_is_not_used(tmp_path: Path) -> None:
    state = {f"model.{name}": each for name, each in weights(Mlp(hidden=(64,))).items()}
    torch.save({"state_dict": state | {"loss.weight": torch.ones(10)}}, tmp_path / "w")
    checked = invoke(tmp_path, "check", "--deep", "--json", *LOADED, "teachers.wide.weights=w")
    assert checked.exit_code == 0, checked.output
    assert json.loads(checked.stdout)["notes"][-1] == (
        "`teachers.wide.weights` ('w'): not used, outside the prefix 'model.': loss.weight."
    )
