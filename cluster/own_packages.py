"""Our top-level packages, whose names a user's own modules may have too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

OWN_PACKAGES = ("cluster", "orchestrator", "search", "students", "teachers")
ROOT = Path(__file__).resolve().parents[1]
"""The folder that they are in."""


LIBRARIES = (
    "PIL", "click", "deepspeed", "filelock", "jaxtyping", "matplotlib", "mlflow", "numpy", "optuna",
    "psutil", "pydantic", "ray", "rich", "safetensors", "scipy", "sklearn", "sqlalchemy", "torch",
    "torchvision", "yaml",
)  # fmt: skip
"""What our packages import of others; each of them is a folder, none a single file."""


def files_in_the_way(search_path: Sequence[str]) -> Iterator[Path]:
    """Single files of a user's that Python would import in place of a library."""
    for name in LIBRARIES:
        for folder in search_path:
            if (file := Path(folder, f"{name}.py")).is_file():
                yield file.resolve()
                break


def write_search_folder(folder: Path) -> None:
    """Makes ``folder``; first in a process's ``sys.path``, it leads to our packages and to nothing
    else, for theirs may hold modules that replace other ones."""
    for name in OWN_PACKAGES:
        file = folder / name / "__init__.py"
        file.parent.mkdir(parents=True)
        file.write_text(f"__path__ = [{str(ROOT / name)!r}]\n")
