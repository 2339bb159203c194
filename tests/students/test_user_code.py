"""What the user's own code does to the process it runs in."""

from __future__ import annotations

import random
import signal
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from students.custom_code import custom_code_errors, load_function
from students.errors import ModelError, UserError
from students.models.build import build_model
from students.models.custom import CustomModel
from students.models.probe import probe
from students.transfer_sets.config import CustomTransferSet
from students.transfer_sets.custom_set import load_custom

MODEL = """
def make(input_shape, classes):
    {inside}
    return nn.Sequential(nn.Flatten(), nn.Linear(input_shape[1] * input_shape[2], classes))
"""


def custom(folder: Path, top: str = "", inside: str = "pass") -> CustomModel:
    text = f"import os, signal, sys, warnings, torch\nfrom torch import nn\n{top}\n"
    (folder / "net.py").write_text(text + MODEL.format(inside=inside))
    return CustomModel(source="net.py:make")


def built(config: CustomModel, folder: Path, seed: int = 1) -> nn.Module:
    return build_model(config, input_shape=(1, 4, 4), classes=3, seed=seed, folder=folder)


def test_a_file_sees_no_arguments_but_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("import sys\nseen = list(sys.argv)\ndef f():\n    return seen\n")
    before = list(sys.argv)
    assert load_function("m.py:f", tmp_path)() == ["m.py"]
    assert sys.argv == before


def test_a_script_that_parses_optional_arguments_is_a_model(tmp_path: Path) -> None:
    top = "import argparse\np = argparse.ArgumentParser()\np.add_argument('--lr')\np.parse_args()"
    built(custom(tmp_path, top), tmp_path)


@pytest.mark.parametrize(
    ("top", "inside", "words"),
    [
        (
            "sys.exit(3)",
            "pass",
            r"the file ends the process \(SystemExit\(3\) at .*\); put what",
        ),
        (
            "raise SystemExit",
            "pass",
            r"SystemExit\(\) at .*\); put .*`if __name__ == \"__main__\":`",
        ),
        ("", "sys.exit('done')", r"which raises SystemExit\('done'\) at .*net\.py:\d+; it is"),
    ],
)
def test_code_that_ends_the_process_is_a_sentence(
    tmp_path: Path, top: str, inside: str, words: str
) -> None:
    with pytest.raises(UserError, match=words):
        built(custom(tmp_path, top, inside), tmp_path)


def test_a_forward_pass_that_ends_the_process_is_a_sentence(tmp_path: Path) -> None:
    top = "class Quits(nn.Flatten):\n    def forward(self, x):\n        sys.exit(4)"
    config = custom(tmp_path, top, "return Quits()")
    with pytest.raises(ModelError, match="SystemExit"):
        probe(config, input_shape=(1, 4, 4), classes=3, folder=tmp_path)
    model = built(config, tmp_path)
    ends = pytest.raises(UserError, match=r"net.py:5 ends the process")
    with ends as caught, custom_code_errors("student"):
        model(torch.zeros(1))
    assert caught.value.path == "student"


def test_data_whose_function_ends_the_process_are_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "d.py").write_text("import sys\ndef data():\n    sys.exit(1)\n")
    with pytest.raises(UserError, match=r"SystemExit\(1\)"):
        load_custom(CustomTransferSet(source="d.py:data"), tmp_path)


@pytest.mark.parametrize("inside", [True, False])
def test_what_code_changes_for_the_whole_process_is_restored(tmp_path: Path, inside: bool) -> None:
    changes = (
        "os.chdir('/'); signal.signal(signal.SIGINT, signal.SIG_IGN); torch.set_num_threads(3);"
        " torch.set_grad_enabled(False); torch.set_default_dtype(torch.float64);"
        " warnings.simplefilter('error'); sys.argv = []"
    )

    def state() -> list[Any]:
        return [
            Path.cwd(), signal.getsignal(signal.SIGINT), torch.get_num_threads(), sys.argv,
            torch.is_grad_enabled(), torch.get_default_dtype(), list(warnings.filters),
        ]  # fmt: skip

    before = state()
    config = custom(tmp_path, inside=changes) if inside else custom(tmp_path, top=changes)
    built(config, tmp_path)
    assert state() == before


def test_weights_do_not_depend_on_whether_the_file_was_run_before(tmp_path: Path) -> None:
    number = random.randrange(10**9)  # a file of contents that no test has run before
    config = custom(tmp_path, f"torch.manual_seed({number}); torch.rand(7)")
    first, second = (built(config, tmp_path)[1].weight for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, built(config, tmp_path, seed=2)[1].weight)


def test_a_files_own_tensors_are_on_the_cpu_also_where_a_skeleton_is_built_first(
    tmp_path: Path,
) -> None:
    top = f"MEAN = torch.tensor([{random.random()}])"
    config = custom(tmp_path, top, "assert MEAN.device.type == 'cpu'")
    probe(config, input_shape=(1, 4, 4), classes=3, folder=tmp_path)
    built(config, tmp_path)


def test_threads_that_run_such_code_leave_the_process_as_it_was(tmp_path: Path) -> None:
    changes = "import time; torch.set_default_dtype(torch.float64); os.chdir('/'); time.sleep(0.05)"
    config, before = custom(tmp_path, inside=changes), (Path.cwd(), sys.argv)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: built(config, tmp_path), range(3)))
    assert torch.get_default_dtype() is torch.float32
    assert (Path.cwd(), sys.argv) == before
