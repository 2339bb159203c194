"""Counts what a home holds, and how large it is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from orchestrator.home.cleaning import Item, Kind
from orchestrator.home.stored_stages import stored_stages

Counted = Kind | Literal["bank", "rest"]

WORDS: dict[Counted, str] = {
    "stages": "stages",
    "checkpoints": "of these, checkpoints of finished ones",
    "cache": "caches",
    "remains": "left by a clean that was broken off",
    "bank": "the bank: teachers' answers",
    "rest": "runs, the tracker's, all else",
}


@dataclass(frozen=True)
class Holding:
    """One kind of thing: how many bytes there are, and how many things and bytes can go."""

    kind: Counted
    bytes: int
    removable: int = 0
    going_bytes: int = 0


def holdings(home: Path, removable: Sequence[Item]) -> tuple[Holding, ...]:
    """All that lies in ``home``, beside what of it can go; no thing is in two rows' ``going``."""
    home = home.resolve()
    sizes: dict[Kind, int] = {
        "stages": size_of(home / "stages"),
        "checkpoints": sum(
            size_of(stage.checkpoints)
            for stage in stored_stages(home)
            if stage.finished and stage.checkpoints.resolve() == stage.checkpoints
        ),
        "cache": size_of(home / "cache"),
        "remains": sum(size_of(item.path) for item in removable if item.kind == "remains"),
    }
    bank = size_of(home / "bank")
    rest = size_of(home) - sizes["stages"] - sizes["cache"] - bank
    return (
        *(_holding(kind, size, removable) for kind, size in sizes.items() if size),
        *([Holding("bank", bank)] if bank else []),
        Holding("rest", rest),
    )


def _holding(kind: Kind, size: int, removable: Sequence[Item]) -> Holding:
    items = [item for item in removable if item.kind == kind]
    return Holding(kind, size, len(items), sum(size_of(item.path) for item in items))


def size_of(path: Path) -> int:
    """The bytes of all files in a folder; links are not followed, what is gone meanwhile is 0."""
    if path.is_symlink():
        return 0
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += (Path(folder) / name).lstat().st_size
            except FileNotFoundError:
                continue
    return total
