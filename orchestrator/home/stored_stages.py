"""Tells finished stages of the store from those under way, by their files alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.home.store import Store
from orchestrator.planning.digest import LENGTH

_DIGEST = re.compile(rf"[0-9a-f]{{{LENGTH}}}")


@dataclass(frozen=True)
class StoredStage:
    """A stage's folder. Whether its outcome is whole, only reading it can tell."""

    folder: Path

    @property
    def digest(self) -> str:
        """What the stage is stored under."""
        return self.folder.name

    @property
    def lock(self) -> Path:
        """Held by the executor that works on the stage."""
        return self.folder.with_name(f"{self.digest}.lock")

    @property
    def checkpoints(self) -> Path:
        """Where its checkpoints lie, or did."""
        return self.folder / "checkpoints"

    @property
    def finished(self) -> bool:
        """Whether its outcome is there."""
        return (self.folder / "outcome").is_dir()

    @property
    def under_way(self) -> bool:
        """Whether it has checkpoints but no outcome."""
        return not self.finished and any(self.checkpoints.glob("step-*"))


def stored_stages(home: Path) -> Iterator[StoredStage]:
    """All stages that ``home`` has a folder for, in order of their digests."""
    store = Store(home)
    for digest in store.stage_digests():
        if _DIGEST.fullmatch(digest):
            yield StoredStage(store.folder(digest))
