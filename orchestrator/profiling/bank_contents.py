"""What the bank holds already for a plan's student: how teachers are run, and whole views."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.execution.bank_shelves import Shelving
from orchestrator.planning.plan import Stage
from orchestrator.planning.thread_allocation import Prospect
from teachers.bank.reader import filled
from teachers.bank.shelf import read_manner
from teachers.errors import BankError
from teachers.inference.inference_config import Manner


@dataclass(frozen=True)
class Holdings:
    """By teacher: the manner that is ``settled``, and which ``views`` are there whole."""

    settled: Mapping[str, Manner] = field(default_factory=dict)
    views: Mapping[str, set[int]] = field(default_factory=dict)

    def prospect(self, stage: Stage, *, stored: frozenset[str] = frozenset()) -> Prospect:
        """As the stage begins, with the answers of the teachers ``stored`` all there."""
        return Prospect({n: m for n, m in self.settled.items() if n in stage.teachers}, stored)


def held(shelving: Shelving, stage: Stage, finished: frozenset[str]) -> Holdings:
    """What is there for ``stage`` of its teachers; only a ``finished`` one (by the digest of its
    own stage) has anything."""
    settled, views = {}, {}
    for name in stage.teachers:
        if shelving.plan.stage(f"teachers.{name}").digest not in finished:
            continue
        manner = _settled(shelving, name)
        if manner is not None:
            settled[name] = manner
            views[name] = _views(shelving, stage, name, manner)
    return Holdings(settled, views)


def _settled(shelving: Shelving, name: str) -> Manner | None:
    try:
        values = read_manner(shelving.folder(name))
        return None if values is None else Manner.from_json(values)
    except (BankError, ValueError):
        return None


def _views(shelving: Shelving, stage: Stage, name: str, manner: Manner) -> set[int]:
    kept = shelving.kept(stage, name, shelving.folder(name), manner)
    shelf, ids = kept.shelf, shelving.sample_ids(stage)
    if shelf is None or not kept.whole:
        return set()
    return {view for view in shelving.views(stage) if filled(shelf, [view], ids)}
