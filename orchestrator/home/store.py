"""The digest store: what finished stages left, and the work of those under way.

HOME/stages/DIGEST/
request.json      what was asked for, readable
attempt.json      the number of the current attempt
resolved.json     what was chosen at the first attempt (threads, precision: auto)
checkpoints/      committed checkpoints
spool/            what each attempt measured
outcome/          what the finished stage leaves
HOME/stages/DIGEST.lock   held by the one executor that works on it
HOME/runs/NAME@DIGEST/    the report of a run
HOME/bank/DIGEST/         answers of one teacher
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from orchestrator.errors import Problem, RecipeProblems
from orchestrator.home.process_lock import held
from students.durable_files import write_atomically


@dataclass(frozen=True)
class Store:
    """The folder ``home`` and what lies where in it."""

    home: Path

    @property
    def cache(self) -> Path:
        """What transfer sets have decoded or hashed; may be deleted at any time."""
        return self.home / "cache"

    @property
    def bank(self) -> Path:
        """One folder for each teacher, as asked, with its answers; may be deleted."""
        return self.home / "bank"

    @property
    def runs(self) -> Path:
        """One folder for each run, with its report."""
        return self.home / "runs"

    def prepare(self) -> None:
        """Makes the folders.

        Raises:
            RecipeProblems: the home cannot be written.
        """
        try:
            for folder in (self.home, self.home / "stages", self.runs, self.cache):
                folder.mkdir(parents=True, exist_ok=True)
            probe = self.home / ".writable"
            probe.write_text("")
            probe.unlink()
        except OSError as error:
            message = (
                f"the home folder '{self.home}' cannot be written ({error.strerror}); make it "
                "writable, or give another with --home or STILLHOUSE_HOME"
            )
            raise RecipeProblems([Problem("", message)]) from error

    def folder(self, digest: str) -> Path:
        """Where the stage of that digest keeps its work."""
        return self.home / "stages" / digest

    @contextmanager
    def lock(self, digest: str, on_wait: Callable[[], None], stopping: Event) -> Iterator[None]:
        """Holds the stage against other executors; ``on_wait`` is told if one has it.

        Raises:
            KeyboardInterrupt: the run was ``stopping`` while it waited.
        """
        with held(self.home / "stages" / f"{digest}.lock", stopping, on_wait):
            yield

    def begin(
        self, digest: str, fingerprint: Mapping[str, Any], resolved: Mapping[str, Any]
    ) -> Any:
        """Makes the stage's folder; gives what was resolved at the first attempt."""
        folder = self.folder(digest)
        folder.mkdir(parents=True, exist_ok=True)
        kept = folder / "resolved.json"
        if not kept.exists():
            write_atomically(folder / "request.json", json.dumps(fingerprint, indent=1).encode())
            write_atomically(kept, json.dumps(resolved, indent=1).encode())
        return json.loads(kept.read_text())

    def amend(self, digest: str, resolved: Mapping[str, Any]) -> None:
        """Keeps what was resolved later in the first attempt, before anything depends on it."""
        kept = self.folder(digest) / "resolved.json"
        write_atomically(kept, json.dumps(resolved, indent=1).encode())

    def stage_digests(self) -> list[str]:
        """The digests of all stages that there is a folder for."""
        folder = self.home / "stages"
        if not folder.is_dir():
            return []
        return sorted(path.name for path in folder.iterdir() if path.is_dir())
