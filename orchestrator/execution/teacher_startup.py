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
from orchestrator.ensembles import ensemble_of
from orchestrator.execution.bank_shelves import Shelving
from orchestrator.execution.parity_gate import Gatekeeper
from orchestrator.execution.role_specs import Placing, demand
from orchestrator.home.process_lock import held
from orchestrator.planning.plan import Stage
from orchestrator.planning.thread_allocation import Prospect, Resolved, resolve
from teachers.bank.compaction import seal_all
from teachers.client.answer_source import Kept
from teachers.client.stream import StreamedLessons
from teachers.inference.inference_config import Manner, plain
from teachers.serving.host import TeacherHost

Hosts = Mapping[str, tuple[Handle[TeacherHost], ...]]
Start = Callable[[ExitStack, Sequence[Callable[[], Handle[Any]]]], list[Handle[Any]]]


@dataclass(frozen=True)
class Faculty:
    """The teachers of a plan. ``start`` starts roles beside each other and retires them with a
    stack; ``broken_off`` ends the wait for another stage."""

    runtime: Runtime
    placing: Placing
    shelving: Shelving
    gatekeeper: Gatekeeper
    start: Start
    broken_off: Event = field(default_factory=Event)

    def prospect(self, stage: Stage) -> Prospect:
        """What is known of the stage's teachers before it begins.

        Raises:
            BankError: the bank cannot be used.
        """
        folders = {name: self.shelving.folder(name) for name in stage.teachers}
        settled = {name: self.gatekeeper.settled(name, each) for name, each in folders.items()}
        known = {name: manner for name, manner in settled.items() if manner is not None}
        stored = {
            name
            for name, manner in known.items()
            if self._stored(stage, name, folders[name], manner)
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
    ) -> StreamedLessons:
        """The stage's teachers, ready to teach; those that were started end with ``roles``.

        With ``everyone`` all of them are started, though their answers be stored. How they are
        run is kept in the stage's ``resolved.json``.

        Raises:
            TeacherError: a teacher failed the gate, or cannot be made ready.
        """
        folders = {name: self.shelving.folder(name) for name in stage.teachers}
        manners = self._manners(stage, resolved, folders)
        kept = {name: self._kept(stage, name, folders[name], m) for name, m in manners.items()}
        absent = {
            name
            for name, manner in manners.items()
            if not everyone and self._stored(stage, name, folders[name], manner)
        }
        for name in stage.teachers:
            roles.callback(self._seal, kept, name)
        present = [name for name in stage.teachers if name not in absent]
        hosts = self._hosts(stage, resolved, roles, present, kept)
        for name in present:
            with self._alone_with(folders[name]):
                if name not in manners:
                    manners[name] = self._settle(stage, name, folders[name], resolved, hosts[name])
                    kept[name] = self._kept(stage, name, folders[name], manners[name])
                    for handle in hosts[name]:
                        handle.call(TeacherHost.adopt, manners[name], kept[name].shelf).result()
                self._admit(stage, name, folders[name], manners[name], hosts[name][0])
        self._remember(stage, resolved, manners)
        return StreamedLessons(
            ensemble_of(stage, self.placing.plan, self.shelving.transfer_set),
            {name: hosts.get(name, ()) for name in stage.teachers},
            self.placing.plan.recipe.timeouts.teacher.total_seconds(),
            stage.ensemble.on_teacher_loss,
            kept,
        )

    def _remember(self, stage: Stage, resolved: Resolved, manners: Mapping[str, Manner]) -> None:
        if "manners" not in resolved:
            resolved["manners"] = {name: each.to_json() for name, each in manners.items()}
            self.placing.store.amend(stage.digest, resolved)

    def _manners(
        self, stage: Stage, resolved: Resolved, folders: Mapping[str, Path]
    ) -> dict[str, Manner]:
        """How each teacher is run, as far as that is settled: by this stage's first attempt, or
        by whoever asked the same teacher before."""
        first = resolved.get("manners")
        if first is not None:
            return {name: Manner.from_json(each) for name, each in first.items()}
        settled = {name: self.gatekeeper.settled(name, folders[name]) for name in stage.teachers}
        return {name: manner for name, manner in settled.items() if manner is not None}

    def _kept(self, stage: Stage, name: str, folder: Path, manner: Manner) -> Kept:
        """What is kept of the teacher's answers: nothing where the shelf's own are other ones."""
        kept = self.shelving.kept(stage, name, folder, manner)
        if self.gatekeeper.settled(name, folder) == manner:
            return kept
        return Kept(kept.manner, kept.logits, kept.taps)

    def _kept_whole(self, stage: Stage, name: str, manner: Manner) -> bool:
        kept = self.shelving.kept(stage, name, self.shelving.folder(name), manner)
        return kept.shelf is not None and kept.whole

    def _stored(self, stage: Stage, name: str, folder: Path, manner: Manner) -> bool:
        kept = self._kept(stage, name, folder, manner)
        temperature = stage.ensemble.temperature
        return self.shelving.stored(stage, name, kept) and self.gatekeeper.admitted(
            name, folder, manner, temperature
        )

    def _hosts(
        self,
        stage: Stage,
        resolved: Resolved,
        roles: ExitStack,
        names: Sequence[str],
        kept: Mapping[str, Kept],
    ) -> Hosts:
        recipe, ranks = self.placing.plan.recipe, stage.cohort[0].engine.ranks
        planned = resolve(stage, self.placing.plan, os.cpu_count() or 1)
        starts, owners = [], []
        for name in names:
            config, threads = recipe.teachers[name], resolved["teachers"][name]
            spec = self.placing.teacher_spec(name, stage, threads, kept.get(name))
            room = planned["teachers"][name]
            place = demand(config.resources, threads, readers=ranks, counted=room)
            for replica in range(config.replicas):
                title = f"teacher {name}" + (f", replica {replica}" if replica else "")
                starts.append(partial(self.runtime.start, place, title, TeacherHost, spec))
                owners.append(name)
        handles = self.start(roles, starts)
        return {
            name: tuple(h for owner, h in zip(owners, handles, strict=True) if owner == name)
            for name in names
        }

    def _settle(
        self,
        stage: Stage,
        name: str,
        folder: Path,
        resolved: Resolved,
        handles: Sequence[Handle[TeacherHost]],
    ) -> Manner:
        # Another stage may have settled it while this one's teachers started.
        return self.gatekeeper.settled(name, folder) or self.gatekeeper.settle(
            name,
            handles,
            folder,
            self.placing.plan.recipe.teachers[name].precision,
            resolved["teachers"][name],
            self.shelving.samples_to_answer(stage),
        )

    def _admit(
        self, stage: Stage, name: str, folder: Path, manner: Manner, handle: Handle[TeacherHost]
    ) -> None:
        temperature = stage.ensemble.temperature
        if not self.gatekeeper.admitted(name, folder, manner, temperature):
            self.gatekeeper.admit(name, handle, folder, manner, temperature)

    @contextmanager
    def _alone_with(self, folder: Path) -> Iterator[None]:
        """Two stages that want the same teacher measure it once."""
        with ExitStack() as closing:
            with suppress(OSError):  # On a full disk both measure it.
                closing.enter_context(held(folder / "settling.lock", self.broken_off))
            yield

    def _seal(self, kept: Mapping[str, Kept], name: str) -> None:
        """Seals what the stage has stored, when its teachers have let go of it."""
        shelf = kept[name].shelf if name in kept else None
        if shelf is not None:
            seal_all(shelf)
