"""Functions beside the recipe."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from students.custom_code import load_function, source_digest
from students.errors import UserError


def test_a_function_is_loaded_without_touching_the_path(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("def build(x):\n    return x + 1\n")
    before = list(sys.path)
    assert load_function("json.py:build", tmp_path)(2) == 3
    assert sys.path == before
    import json

    assert hasattr(json, "dumps")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["json.py"]


def test_a_changed_file_is_loaded_again(tmp_path: Path) -> None:
    file = tmp_path / "m.py"
    file.write_text("def f():\n    return 1\n")
    first, digest = load_function("m.py:f", tmp_path), source_digest("m.py:f", tmp_path)
    assert load_function("m.py:f", tmp_path) is first
    file.write_text("def f():\n    return 2\n")
    assert load_function("m.py:f", tmp_path)() == 2
    assert source_digest("m.py:f", tmp_path) != digest


def test_a_file_that_was_interrupted_is_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m.py").write_text(
        "import os\nif os.environ.pop('INTERRUPTED', ''):\n    raise KeyboardInterrupt\nf = len\n"
    )
    monkeypatch.setenv("INTERRUPTED", "1")
    with pytest.raises(KeyboardInterrupt):
        load_function("m.py:f", tmp_path)
    assert load_function("m.py:f", tmp_path) is len


def test_several_threads_are_given_a_module_that_has_run(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("import time\ntime.sleep(0.1)\ndef f(): ...\n")
    with ThreadPoolExecutor(4) as pool:
        found = {*pool.map(lambda _: load_function("m.py:f", tmp_path), range(4))}
    assert len(found) == 1


def test_the_digest_is_the_files_sha256(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_bytes(b"f = len\n")
    expected = hashlib.sha256(b"f = len\n").hexdigest()
    assert source_digest("m.py:f", tmp_path) == expected
    assert source_digest(f"{tmp_path}/m.py:f", Path("/nowhere")) == expected


def test_data_classes_work_in_a_custom_file(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "from typing import ClassVar\n@dataclass\n"
        "class A:\n    n: ClassVar[int] = 1\n    x: int = 4\n"
    )
    assert load_function("m.py:A", tmp_path)().x == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "does not exist"),
        ("g = 1\n", "no function 'f'"),
        ("f = 1\n", "no function 'f'"),
        ("def f(:\n", "SyntaxError"),
        ("raise ValueError('bad luck')\n", r"ValueError at .*:1: bad luck"),
        ("import neighbour_of_mine\n", "put all in one file"),
    ],
)
def test_a_problem_is_reported_in_a_sentence(tmp_path: Path, text: str | None, words: str) -> None:
    if text is not None:
        (tmp_path / "m.py").write_text(text)
    with pytest.raises(UserError, match=words) as caught:
        load_function("m.py:f", tmp_path)
    assert caught.value.path == "source"
    assert caught.value.message.startswith("`source` is 'm.py:f', but ")


def test_a_file_that_failed_is_run_again_once_it_could_work(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(
        f"from pathlib import Path\nvalue = Path({str(tmp_path / 'n')!r}).read_text()\n"
        "def f():\n    return value\n"
    )
    with pytest.raises(UserError):
        load_function("m.py:f", tmp_path)
    (tmp_path / "n").write_text("there")
    assert load_function("m.py:f", tmp_path)() == "there"


def test_hashing_custom_code_imports_no_torch() -> None:
    code = "import sys, students.custom_code; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
