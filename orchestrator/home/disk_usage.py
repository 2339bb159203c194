"""Measures what a home holds, and what of it can be deleted."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from orchestrator.home.cleaning import Kind, Removable
from orchestrator.home.store import Store

Counted = Kind | Literal["bank", "rest"]

LABELS: dict[Counted, str] = {
    "stages": "stages",
    "checkpoints": "of these, checkpoints of finished ones",
    "cache": "caches",
    "leftovers": "left by an interrupted clean",
    "bank": "the bank: teachers' answers",
    "rest": "runs, the tracker's, all else",
}


@dataclass(frozen=True)
class DiskUsage:
    """One kind of content: its bytes, and how many folders and bytes of it can be deleted."""

    kind: Counted
    bytes: int
    removable: int = 0
    removable_bytes: int = 0


def disk_usage(home: Path, removable: Sequence[Removable]) -> tuple[DiskUsage, ...]:
    """The size of all in ``home``, and of what can be deleted; no folder is counted in two rows."""
    home = home.resolve()
    sizes: dict[Kind, int] = {
        "stages": size_of(home / "stages"),
        "checkpoints": sum(
            size_of(stage.checkpoints)
            for stage in Store(home).stages()
            if stage.finished and stage.checkpoints.resolve() == stage.checkpoints
        ),
        "cache": size_of(home / "cache"),
        "leftovers": sum(size_of(item.path) for item in removable if item.kind == "leftovers"),
    }
    bank = size_of(home / "bank")
    rest = size_of(home) - sizes["stages"] - sizes["cache"] - bank
    return (
        *(_usage(kind, size, removable) for kind, size in sizes.items() if size),
        *([DiskUsage("bank", bank)] if bank else []),
        DiskUsage("rest", rest),
    )


def _usage(kind: Kind, size: int, removable: Sequence[Removable]) -> DiskUsage:
    items = [item for item in removable if item.kind == kind]
    return DiskUsage(kind, size, len(items), sum(size_of(item.path) for item in items))


def size_of(path: Path) -> int:
    """The bytes of all files in a folder; links are not followed, a vanished file counts 0."""
    if path.is_symlink():
        return 0
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with suppress(FileNotFoundError):
                total += (Path(folder) / name).lstat().st_size
    return total
