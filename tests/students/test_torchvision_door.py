"""Torchvision is imported in one file."""

from __future__ import annotations

import subprocess
import sys

from students import torchvision_door

FIRST = "import warnings; warnings.simplefilter('error')\n"


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", FIRST + code], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_models_and_data_sets_are_imported_without_a_warning() -> None:
    assert hasattr(torchvision_door.load_torchvision().models, "resnet18")
    assert hasattr(torchvision_door.load_torchvision().datasets, "CIFAR10")
    code = (
        "from students import torchvision_door as d\n"
        "resnet = d.load_torchvision().models.resnet18()\n"
        "print(sum(p.numel() for p in resnet.parameters()))"
    )
    assert run(code) == "11689512"


def test_importing_the_door_does_not_import_torchvision() -> None:
    code = "import sys, students.torchvision_door; print('torchvision' in sys.modules)"
    assert run(code) == "False"


def test_nothing_is_declared_where_torchvisions_own_operators_load() -> None:
    code = (
        "import torch\nfrom students import torchvision_door as d\n"
        "d._operators_load = lambda: True\n"
        "print(d._declare_operators(), hasattr(torch.ops.torchvision, 'nms'))"
    )
    assert run(code) == "None False"


def test_an_operator_that_exists_is_not_declared_twice() -> None:
    code = (
        "import torch\nfrom students import torchvision_door as d\n"
        "library = torch.library.Library('torchvision', 'FRAGMENT')\n"
        "library.define('nms' + d._MISSING['nms'])\n"
        "d._operators_load = lambda: False\n"
        "d._declare_operators(); print(hasattr(torch.ops.torchvision, 'qnms'))"
    )
    assert run(code) == "True"
