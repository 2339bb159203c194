"""What the bank holds already for a plan's student: how teachers are run, and whole views."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.execution.bank_shelves import BankShelves
from orchestrator.planning.plan import Stage
from orchestrator.planning.thread_allocation import Prospect
from teachers.bank.reader import is_filled
from teachers.errors import BankError
from teachers.inference.inference_config import InferenceConfig
from teachers.qualification.records import stored_config


@dataclass(frozen=True)
class Holdings:
    """By teacher: the manner that is ``settled``, and which ``views`` are there whole."""

    settled: Mapping[str, InferenceConfig] = field(default_factory=dict)
    views: Mapping[str, set[int]] = field(default_factory=dict)

    def prospect(self, stage: Stage, *, stored: frozenset[str] = frozenset()) -> Prospect:
        """As the stage begins, with the answers of the teachers ``stored`` all there."""
        return Prospect({n: m for n, m in self.settled.items() if n in stage.teachers}, stored)


def held(bank_shelves: BankShelves, stage: Stage, finished: frozenset[str]) -> Holdings:
    """What is there for ``stage`` of its teachers; only a ``finished`` one (by the digest of its
    own stage) has anything."""
    settled, views = {}, {}
    for name in stage.teachers:
        if bank_shelves.plan.stage(f"teachers.{name}").digest not in finished:
            continue
        inference = _settled(bank_shelves, name)
        if inference is not None:
            settled[name] = inference
            views[name] = _views(bank_shelves, stage, name, inference)
    return Holdings(settled, views)


def _settled(bank_shelves: BankShelves, name: str) -> InferenceConfig | None:
    try:
        return stored_config(bank_shelves.folder(name))
    except BankError:
        return None


def _views(
    bank_shelves: BankShelves, stage: Stage, name: str, inference: InferenceConfig
) -> set[int]:
    kept = bank_shelves.kept(stage, name, bank_shelves.folder(name), inference)
    shelf, ids = kept.shelf, bank_shelves.sample_ids(stage)
    if shelf is None or not kept.whole:
        return set()
    return {view for view in bank_shelves.views(stage) if is_filled(shelf, [view], ids)}
