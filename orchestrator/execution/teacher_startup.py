"""Gets the teachers of a stage ready: finds what they have stored, starts those that are needed,
settles how they are run, and has them pass the gate.

Waits for the teachers' answers to the gate and to what measures them, and for another stage
that settles the same teacher; freed by these, by the runtime being closed, or by the run being
broken off.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

from cluster.runtime import Handle, Runtime
from orchestrator.execution.bank_shelves import BankShelves
from orchestrator.execution.parity_gate import ParityGate
from orchestrator.execution.role_specs import RoleSpecs, ensemble_of, resources_of
from orchestrator.home.process_lock import held
from orchestrator.planning.plan import Stage
from orchestrator.planning.thread_allocation import Prospect, Resolved, resolve
from teachers.bank.compaction import seal_all
from teachers.client.answer_source import AnswerSpec
from teachers.client.stream import StreamedKnowledge
from teachers.inference.inference_config import InferenceConfig, plain
from teachers.qualification.records import stored_config
from teachers.serving.host import TeacherHost

Hosts = Mapping[str, tuple[Handle[TeacherHost], ...]]
Start = Callable[[ExitStack, Sequence[Callable[[], Handle[Any]]]], list[Handle[Any]]]


@dataclass(frozen=True)
class TeacherStartup:
    """The teachers of a plan. ``start`` starts roles beside each other and retires them with a
    stack; ``broken_off`` ends the wait for another stage."""

    runtime: Runtime
    role_specs: RoleSpecs
    bank_shelves: BankShelves
    parity_gate: ParityGate
    start: Start
    broken_off: Event = field(default_factory=Event)

    def prospect(self, stage: Stage) -> Prospect:
        """What is known of the stage's teachers before it begins.

        Raises:
            BankError: the bank cannot be used.
        """
        folders = {name: self.bank_shelves.folder(name) for name in stage.teachers}
        settled = {name: stored_config(each) for name, each in folders.items()}
        known = {name: inference for name, inference in settled.items() if inference is not None}
        stored = {
            name
            for name, inference in known.items()
            if self._stored(stage, name, folders[name], inference)
        }
        return Prospect(known, frozenset(stored))

    def fills(self, stage: Stage) -> frozenset[str]:
        """The teachers whose answers the stage is going to store, for they are not all there.

        Raises:
            BankError: the bank cannot be used.
        """
        known = self.prospect(stage)
        return frozenset(
            name
            for name in set(stage.teachers) - known.stored
            if self._kept_whole(stage, name, known.settled.get(name, plain(1)))
        )

    def lessons(
        self, stage: Stage, resolved: Resolved, roles: ExitStack, *, everyone: bool
    ) -> StreamedKnowledge:
        """The stage's teachers, ready to teach; those that were started end with ``roles``.

        With ``everyone`` all of them are started, though their answers be stored. How they are
        run is kept in the stage's ``resolved.json``.

        Raises:
            TeacherError: a teacher failed the gate, or cannot be made ready.
        """
        folders = {name: self.bank_shelves.folder(name) for name in stage.teachers}
        inferences = self._inferences(stage, resolved, folders)
        kept = {name: self._kept(stage, name, folders[name], m) for name, m in inferences.items()}
        absent = {
            name
            for name, inference in inferences.items()
            if not everyone and self._stored(stage, name, folders[name], inference)
        }
        for name in stage.teachers:
            roles.callback(self._seal, kept, name)
        present = [name for name in stage.teachers if name not in absent]
        hosts = self._hosts(stage, resolved, roles, present, kept)
        for name in present:
            with self._alone_with(folders[name]):
                if name not in inferences:
                    inferences[name] = self._choose_config(
                        stage, name, folders[name], resolved, hosts[name]
                    )
                    kept[name] = self._kept(stage, name, folders[name], inferences[name])
                    for handle in hosts[name]:
                        handle.call(TeacherHost.adopt, inferences[name], kept[name].shelf).result()
                self._admit(stage, name, folders[name], inferences[name], hosts[name][0])
        self._remember(stage, resolved, inferences)
        return StreamedKnowledge(
            ensemble_of(stage, self.role_specs.plan, self.bank_shelves.transfer_set),
            {name: hosts.get(name, ()) for name in stage.teachers},
            self.role_specs.plan.recipe.timeouts.teacher.total_seconds(),
            stage.ensemble.on_teacher_loss,
            kept,
        )

    def _remember(
        self, stage: Stage, resolved: Resolved, inferences: Mapping[str, InferenceConfig]
    ) -> None:
        if "manners" not in resolved:
            resolved["manners"] = {name: each.to_json() for name, each in inferences.items()}
            self.role_specs.store.amend(stage.digest, resolved)

    def _inferences(
        self, stage: Stage, resolved: Resolved, folders: Mapping[str, Path]
    ) -> dict[str, InferenceConfig]:
        """How each teacher is run, as far as that is settled: by this stage's first attempt, or
        by whoever asked the same teacher before."""
        first = resolved.get("manners")
        if first is not None:
            return {name: InferenceConfig.from_json(each) for name, each in first.items()}
        settled = {name: stored_config(folders[name]) for name in stage.teachers}
        return {name: inference for name, inference in settled.items() if inference is not None}

    def _kept(
        self, stage: Stage, name: str, folder: Path, inference: InferenceConfig
    ) -> AnswerSpec:
        """What is kept of the teacher's answers: nothing where the shelf's own are other ones."""
        kept = self.bank_shelves.kept(stage, name, folder, inference)
        if stored_config(folder) == inference:
            return kept
        return AnswerSpec(kept.inference, kept.taps)

    def _kept_whole(self, stage: Stage, name: str, inference: InferenceConfig) -> bool:
        kept = self.bank_shelves.kept(stage, name, self.bank_shelves.folder(name), inference)
        return kept.shelf is not None and kept.whole

    def _stored(self, stage: Stage, name: str, folder: Path, inference: InferenceConfig) -> bool:
        kept = self._kept(stage, name, folder, inference)
        temperature = stage.ensemble.temperature
        return self.bank_shelves.stored(stage, name, kept) and self.parity_gate.admitted(
            name, folder, inference, temperature
        )

    def _hosts(
        self,
        stage: Stage,
        resolved: Resolved,
        roles: ExitStack,
        names: Sequence[str],
        kept: Mapping[str, AnswerSpec],
    ) -> Hosts:
        recipe, ranks = self.role_specs.plan.recipe, stage.cohort[0].engine.ranks
        planned = resolve(stage, self.role_specs.plan, os.cpu_count() or 1)
        starts, owners = [], []
        for name in names:
            config, threads = recipe.teachers[name], resolved["teachers"][name]
            spec = self.role_specs.teacher_spec(name, stage, threads, kept.get(name))
            room = planned["teachers"][name]
            place = resources_of(config.resources, threads, readers=ranks, counted=room)
            for replica in range(config.replicas):
                title = f"teacher {name}" + (f", replica {replica}" if replica else "")
                starts.append(partial(self.runtime.start, place, title, TeacherHost, spec))
                owners.append(name)
        handles = self.start(roles, starts)
        return {
            name: tuple(h for owner, h in zip(owners, handles, strict=True) if owner == name)
            for name in names
        }

    def _choose_config(
        self,
        stage: Stage,
        name: str,
        folder: Path,
        resolved: Resolved,
        handles: Sequence[Handle[TeacherHost]],
    ) -> InferenceConfig:
        # Another stage may have settled it while this one's teachers started.
        return stored_config(folder) or self.parity_gate.choose_config(
            name,
            handles,
            folder,
            self.role_specs.plan.recipe.teachers[name].precision,
            resolved["teachers"][name],
            self.bank_shelves.samples_to_answer(stage),
        )

    def _admit(
        self,
        stage: Stage,
        name: str,
        folder: Path,
        inference: InferenceConfig,
        handle: Handle[TeacherHost],
    ) -> None:
        temperature = stage.ensemble.temperature
        if not self.parity_gate.admitted(name, folder, inference, temperature):
            self.parity_gate.admit(name, handle, folder, inference, temperature)

    @contextmanager
    def _alone_with(self, folder: Path) -> Iterator[None]:
        """Two stages that want the same teacher measure it once."""
        with ExitStack() as closing:
            with suppress(OSError):  # On a full disk both measure it.
                closing.enter_context(held(folder / "settling.lock", self.broken_off))
            yield

    def _seal(self, kept: Mapping[str, AnswerSpec], name: str) -> None:
        """Seals what the stage has stored, when its teachers have let go of it."""
        shelf = kept[name].shelf if name in kept else None
        if shelf is not None:
            seal_all(shelf)
