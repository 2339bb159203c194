"""Our top-level packages, whose names a user's own modules may have too."""

from __future__ import annotations

from pathlib import Path

OWN_PACKAGES = ("cluster", "orchestrator", "search", "students", "teachers")
ROOT = Path(__file__).resolve().parents[1]
"""The folder that they are in."""


def write_search_folder(folder: Path) -> None:
    """Makes ``folder``; first in a process's ``sys.path``, it leads to our packages and to nothing
    else, for theirs may hold modules that replace other ones."""
    for name in OWN_PACKAGES:
        file = folder / name / "__init__.py"
        file.parent.mkdir(parents=True)
        file.write_text(f"__path__ = [{str(ROOT / name)!r}]\n")
