"""One teacher of one stage: what is stored of it, and what the stage asks of it.

Queries read what is stored, once for each ``StageTeacher``, and change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from orchestrator.execution.finished_network import device, model_spec
from orchestrator.home.store import Store
from orchestrator.planning.fingerprint import model_fingerprint, outputs
from orchestrator.planning.stage import Stage, TeacherRef
from students.errors import CheckpointError
from students.knowledge import LOGITS, Tap
from students.objectives.term import HintLayer, taps_of
from students.storage.outcome import Outcome
from students.training.build import sample_ids
from students.training.questions import required_taps, required_views
from students.transfer_sets.transfer_set import TransferSet
from teachers.bank.columns import Column
from teachers.bank.reader import is_filled
from teachers.bank.shelf import BANK_FORMAT, Shelf, identity_of, prepare_shelf, shelf_digest
from teachers.errors import BankError
from teachers.inference.inference_config import InferenceConfig
from teachers.qualification.parity_verdict import compared_again
from teachers.qualification.records import Verdict, read_probe_answers, read_record
from teachers.serving.answer_spec import AnswerSpec
from teachers.serving.host import TeacherSpec


@dataclass(frozen=True)
class StageTeacher:
    """Teacher ``ref`` of ``stage``, on the samples of ``transfer_set``."""

    stage: Stage
    ref: TeacherRef
    store: Store
    transfer_set: TransferSet

    @cached_property
    def outcome(self) -> Outcome:
        """What is known of the teacher's model.

        Raises:
            CheckpointError: its stage is not stored any more.
        """
        output = self.ref.output
        outcome = self.store.outcome(output)
        if outcome is None:
            raise CheckpointError(
                f"the outcome of teacher '{self.ref.name}' in '{self.store.folder(output.stage)}' "
                "cannot be read, though it was stored; see that no other process deletes in this "
                "home, and run the same command again"
            )
        return outcome

    @cached_property
    def description(self) -> dict[str, Any]:
        """All that its answers depend on."""
        data, ref = self.stage.data, self.ref
        augment = data.transfer_set.augment
        return {
            "format": BANK_FORMAT,
            "weights_sha256": self.outcome.weights_sha256,
            "model": model_fingerprint(ref.model, data),
            "classes": list(self.transfer_set.class_names),
            **outputs(ref.classes, data.transfer_set),
            "data": {
                "identity": self.transfer_set.identity,
                "shape": list(self.transfer_set.shape),
            },
            "views": {"augment": augment.model_dump(mode="json"), "seed": data.transfer_set.seed}
            if augment.changes
            else None,
            "precision": ref.precision,
            "threads": ref.threads,
            "device": device(ref.resources),
        }

    @property
    def folder(self) -> Path:
        """Where its shelf lies, or, where the bank cannot be used, how it is run."""
        digest = shelf_digest(self.description)
        beside = self.store.cache / "teachers" / digest
        return beside if beside.is_dir() else self.store.bank / digest

    def prepare(self) -> None:
        """Makes its folder.

        Raises:
            BankError: the bank cannot be used.
        """
        folder = self.folder
        try:
            prepare_shelf(folder, self.description | {"teacher": self.ref.name})
        except BankError:
            if self.stage.ensemble.bank != "none":
                raise
            beside = self.store.cache / "teachers" / folder.name
            beside.mkdir(parents=True, exist_ok=True)

    @cached_property
    def config(self) -> InferenceConfig | None:
        """How it is run, if that was chosen before."""
        return read_record(self.folder, InferenceConfig)

    def answers(self, inference: InferenceConfig) -> AnswerSpec:
        """What the stage asks of it, run as ``inference``, and what is kept of that: nothing where
        the shelf is of another config."""
        bank, top_k = self.stage.ensemble.bank, self.stage.ensemble.top_k
        if bank == "none" or (self.config or inference) != inference:
            return AnswerSpec(inference, self.taps, None, top_k)
        columns: tuple[Column, ...] = (Column(LOGITS, (self.transfer_set.classes,), top_k),)
        if bank.taps:
            columns += tuple(Column(tap.column, self._shape(tap)) for tap in self.taps)
        identity = identity_of(self.description, inference.to_json())
        samples = len(self.transfer_set.targets)
        shelf = Shelf(self.folder, identity, samples, bank.budget, columns)
        return AnswerSpec(inference, self.taps, shelf, top_k)

    @property
    def patience(self) -> float:
        """Seconds that it may take to be made ready, for each thing that is asked of it."""
        return self.stage.timeouts.rank.total_seconds()

    @cached_property
    def taps(self) -> tuple[Tap, ...]:
        """What the cohort's terms look at beside its logits."""
        taps = [taps_of(spec.objective).get(self.ref.name, ()) for spec in self.stage.cohort]
        return tuple(dict.fromkeys(tap for each in taps for tap in each))

    @cached_property
    def is_answered(self) -> bool:
        """Whether all that the stage will ask of it is stored, and it has passed the gate: then it
        need not be started."""
        return (
            self.config is not None
            and self._has_all(self.answers(self.config))
            and self.is_admitted(self.config)
        )

    def is_admitted(self, inference: InferenceConfig) -> bool:
        """Whether it has passed the parity gate, run as ``inference``, or failed with a warning.

        For another temperature, or ``top_k``, the stored answers to the probe are compared again.
        """
        settings = self.stage.ensemble.temperature, self.stage.ensemble.top_k
        verdict = read_record(self.folder, Verdict)
        answers = read_probe_answers(self.folder, inference)
        if verdict is None or answers is None or verdict.inference != inference:
            return False
        if (verdict.temperature, verdict.top_k) != settings:
            verdict = compared_again(self.ref.path, verdict, answers, *settings)
        if self.ref.output.is_anchor:
            verdict = verdict.of_anchor()
        return verdict.passes or self.ref.gate == "warn"

    def samples_to_answer(self) -> int:
        """How many answers it has to give if none are stored.

        How a teacher is run is chosen by this number, for all later stages too; so it is at least
        one view of the whole data set, however few samples the first stage learns from.
        """
        asked = sum(
            len(required_views(spec, self.transfer_set))
            * len(sample_ids(self.transfer_set, spec.samples))
            for spec in self.stage.cohort
        )
        return max(asked, len(self.transfer_set.targets))

    def spec(self, threads: int) -> TeacherSpec:
        """What a replica of it is built from."""
        return model_spec(
            self.ref, self.ref.name, self.stage, self.store, threads, self.ref.resources
        )

    def _has_all(self, answers: AnswerSpec) -> bool:
        return all(
            shelf is not None
            and is_filled(shelf, views, sample_ids(self.transfer_set, spec.samples))
            for spec in self.stage.cohort
            for taps, views in required_taps(spec, self.transfer_set, self.ref.name).items()
            for shelf in [answers.with_taps(taps).complete_shelf]
        )

    def _shape(self, tap: Tap) -> tuple[int, ...]:
        return self.stage.hint_shapes[HintLayer(self.ref.name, tap.layer, tap.reduction).name]
