import subprocess
import sys
import threading
from pathlib import Path

import pytest

from students.engines.deepspeed_engine import block_import


def test_an_import_is_blocked_on_one_thread_and_only_inside_the_context(tmp_path, monkeypatch):
    for name in ("aside", "blocked_one"):
        (tmp_path / f"{name}.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    found = []
    with block_import("blocked_one"):
        import aside  # noqa: F401

        with pytest.raises(ImportError):
            import blocked_one
        other = threading.Thread(target=lambda: found.append(__import__("blocked_one")))
        other.start()
        other.join()
    assert [module.__name__ for module in found] == ["blocked_one"]
    import blocked_one  # noqa: F401

    monkeypatch.delitem(sys.modules, "blocked_one")
    monkeypatch.delitem(sys.modules, "aside")


@pytest.mark.slow
def test_a_rank_that_imports_deepspeed_does_not_import_the_tracker():
    ran = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, torch\n"
            "from students.engines.deepspeed_engine import _quietly_import\n"
            "_quietly_import(torch.device('cpu'))\n"
            "print('deepspeed' in sys.modules, 'mlflow' in sys.modules)",
        ],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        check=True,
        text=True,
    )
    assert ran.stdout.split() == ["True", "False"]
