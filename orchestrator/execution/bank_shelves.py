"""Finds the bank's shelf of each teacher, and whether it has the answers that a stage needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from orchestrator.execution.role_specs import device
from orchestrator.home.store import Store
from orchestrator.planning.fingerprint import outputs
from orchestrator.planning.plan import Plan, Stage
from students.knowledge import LOGITS, Tap
from students.objectives.term import taps_of
from students.storage.outcome import read_outcome
from students.training.build import sample_ids
from students.training.questions import required_taps, required_views
from students.transfer_sets.transfer_set import TransferSet
from teachers.bank.columns import Column
from teachers.bank.reader import is_filled
from teachers.bank.shelf import (
    BANK_FORMAT,
    Shelf,
    identity_of,
    prepare_bank,
    prepare_shelf,
    shelf_digest,
)
from teachers.errors import BankError
from teachers.inference.inference_config import InferenceConfig
from teachers.serving.answer_spec import AnswerSpec


def prepare_for(plan: Plan, store: Store) -> None:
    """Checks before any stage begins that the bank is usable, if a stage left to run uses it.

    Raises:
        BankError: it has another format, or cannot be written.
    """
    if plan.recipe.ensemble.bank == "none":
        return
    taught = [store.folder(stage.digest) for stage in plan.stages if stage.teachers]
    if any(read_outcome(folder) is None for folder in taught):
        prepare_bank(store.bank)


@dataclass(frozen=True)
class BankShelves:
    """The shelves of a plan's teachers; ``hint_shapes`` are the per-sample shapes of the teachers'
    layers, by hint term."""

    plan: Plan
    store: Store
    transfer_set: TransferSet
    hint_shapes: Mapping[str, tuple[int, ...]]

    def description(self, name: str) -> dict[str, Any]:
        """All that the answers of teacher ``name``, whose stage is stored, depend on."""
        recipe, config = self.plan.recipe, self.plan.recipe.teachers[name]
        own = self.plan.stage(f"teachers.{name}")
        outcome = read_outcome(self.store.folder(own.digest))
        if outcome is None:
            raise RuntimeError(f"teacher '{name}' is needed, but its outcome cannot be read")
        augment = recipe.transfer_set.augment
        return {
            "format": BANK_FORMAT,
            "weights_sha256": outcome.weights_sha256,
            "model": own.fingerprint["model"],
            "classes": list(self.transfer_set.class_names),
            **outputs(config.classes, recipe.transfer_set),
            "data": {
                "identity": self.transfer_set.identity,
                "shape": list(self.transfer_set.shape),
            },
            "views": {"augment": augment.model_dump(mode="json"), "seed": recipe.transfer_set.seed}
            if augment.changes
            else None,
            "precision": config.precision,
            "threads": config.threads,
            "device": device(config.resources),
        }

    def folder(self, name: str) -> Path:
        """The folder of the teacher's shelf, which is made if it does not exist.

        Without a bank it only records how the teacher is run, and need not lie in the bank.

        Raises:
            BankError: the bank cannot be used.
        """
        description = self.description(name)
        digest = shelf_digest(description)
        folder = self.store.bank / digest
        try:
            prepare_shelf(folder, description | {"teacher": name})
        except BankError:
            if self.plan.recipe.ensemble.bank != "none":
                raise
            folder = self.store.cache / "teachers" / digest
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def answer_spec(
        self, stage: Stage, name: str, folder: Path, inference: InferenceConfig
    ) -> AnswerSpec:
        """What ``stage`` asks of the teacher, run as ``inference``, and what is kept of it."""
        taps = taps_of(stage.cohort[0].objective).get(name, ())
        bank, top_k = stage.ensemble.bank, stage.ensemble.top_k
        if bank == "none":
            return AnswerSpec(inference, taps, None, top_k)
        columns: tuple[Column, ...] = (Column(LOGITS, (self.transfer_set.classes,), top_k),)
        if bank.taps:
            columns += tuple(Column(tap.column, self._shapes(stage)[name, tap]) for tap in taps)
        identity = identity_of(self.description(name), inference.to_json())
        samples = len(self.transfer_set.targets)
        shelf = Shelf(folder, identity, samples, bank.budget, columns)
        return AnswerSpec(inference, taps, shelf, top_k)

    def has_all(self, stage: Stage, name: str, answers: AnswerSpec) -> bool:
        """Whether all that ``stage`` will ask of teacher ``name`` can be read from its shelf."""
        spec, ids = stage.cohort[0], self.sample_ids(stage)
        return all(
            shelf is not None and is_filled(shelf, views, ids)
            for taps, views in required_taps(spec, self.transfer_set, name).items()
            for shelf in [answers.with_taps(taps).complete_shelf]
        )

    def views(self, stage: Stage) -> list[int]:
        """The views under which the stage's student asks about its samples."""
        return sorted(required_views(stage.cohort[0], self.transfer_set))

    def sample_ids(self, stage: Stage) -> npt.NDArray[np.int64]:
        """The samples that the stage's student learns from."""
        return sample_ids(self.transfer_set, stage.cohort[0].samples)

    def samples_to_answer(self, stage: Stage) -> int:
        """How many answers each teacher has to give if none are stored.

        How a teacher is run is chosen by this number, for all later stages too; so it is at least
        one view of the whole data set, however few samples the first stage learns from.
        """
        asked = len(self.views(stage)) * len(self.sample_ids(stage))
        return max(asked, len(self.transfer_set.targets))

    def _shapes(self, stage: Stage) -> dict[tuple[str, Tap], tuple[int, ...]]:
        return {
            (hint.teacher, Tap(hint.layer, hint.reduction)): self.hint_shapes[hint.name]
            for term in stage.cohort[0].objective.values()
            for _, hint in term.hint_layers()
            if hint.name in self.hint_shapes
        }
