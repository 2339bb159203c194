"""Prepares the teachers of a stage: finds their stored answers, starts those that must compute,
chooses how each is run, and has it pass the parity gate.

Waits for the teachers' answers to the gate and to the autotuner, and for another stage that
prepares the same teacher; freed by these, by the runtime being closed, or by ``stopping``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

from cluster.runtime import Future, Handle, Runtime
from orchestrator.execution.bank_shelves import BankShelves
from orchestrator.execution.parity_gate import ParityGate
from orchestrator.execution.role_specs import RoleSpecs, ensemble_of
from orchestrator.home.process_lock import hold_lock
from orchestrator.planning.plan import Stage
from orchestrator.planning.thread_allocation import (
    Resolved,
    TeacherReadiness,
    resolve,
    resources_of,
)
from students.objectives.term import taps_of
from teachers.bank.compaction import seal_all
from teachers.client.stream import StreamedKnowledge
from teachers.inference.inference_config import InferenceConfig, plain
from teachers.qualification.records import stored_config
from teachers.serving.answer_spec import AnswerSpec
from teachers.serving.host import TeacherHost

Hosts = Mapping[str, tuple[Handle[TeacherHost], ...]]
Start = Callable[[ExitStack, Sequence[Callable[[], Handle[Any]]]], list[Handle[Any]]]


@dataclass(frozen=True)
class TeacherStartup:
    """Prepares the teachers of a plan. ``start`` starts roles in parallel and retires them with a
    stack; ``stopping`` ends the wait for another stage."""

    runtime: Runtime
    role_specs: RoleSpecs
    bank_shelves: BankShelves
    parity_gate: ParityGate
    start: Start
    stopping: Event = field(default_factory=Event)

    def readiness(self, stage: Stage) -> TeacherReadiness:
        """What is stored of the stage's teachers before it begins.

        Raises:
            BankError: the bank cannot be used.
        """
        folders = {name: self.bank_shelves.folder(name) for name in stage.teachers}
        stored = {name: stored_config(folder) for name, folder in folders.items()}
        configs = {name: config for name, config in stored.items() if config is not None}
        complete = {
            name
            for name, config in configs.items()
            if self._needs_no_host(stage, name, folders[name], config)
        }
        return TeacherReadiness(configs, frozenset(complete))

    def teachers_to_store(self, stage: Stage) -> frozenset[str]:
        """The teachers whose answers the stage will store because the bank does not have them all.

        Raises:
            BankError: the bank cannot be used.
        """
        known = self.readiness(stage)
        names = set(stage.teachers) - known.stored
        specs = {
            name: self.bank_shelves.answer_spec(
                stage, name, self.bank_shelves.folder(name), known.configs.get(name, plain(1))
            )
            for name in names
        }
        return frozenset(name for name, spec in specs.items() if spec.complete_shelf)

    def knowledge_source(
        self, stage: Stage, resolved: Resolved, roles: ExitStack, *, start_all: bool
    ) -> StreamedKnowledge:
        """Starts the stage's teachers, which end with ``roles``, and connects them to its student.

        Teachers whose answers are all stored are started only with ``start_all``. How each is run
        is recorded in the stage's ``resolved.json``.

        Raises:
            TeacherError: a teacher failed the gate, or cannot be built.
        """
        folders = {name: self.bank_shelves.folder(name) for name in stage.teachers}
        configs = self._stored_configs(stage, resolved, folders)
        specs = {
            name: self._answer_spec(stage, name, folders[name], config)
            for name, config in configs.items()
        }
        started = [
            name
            for name in stage.teachers
            if start_all
            or name not in configs
            or not self._needs_no_host(stage, name, folders[name], configs[name])
        ]
        roles.callback(_seal, specs)
        hosts = self._hosts(stage, resolved, roles, started)
        prepared: list[Future[None]] = []
        for name, spec in specs.items():
            prepared += _prepare(hosts.get(name, ()), spec)
        gate, temperature = self.parity_gate, stage.ensemble.temperature
        samples = self.bank_shelves.samples_to_answer(stage)
        for name in started:
            folder, first = folders[name], hosts[name][0]
            with self._locked(folder):
                if name not in configs:
                    threads = resolved["teachers"][name]
                    taps = taps_of(stage.cohort[0].objective).get(name, ())
                    chosen = gate.choose_config(name, first, folder, threads, taps, samples)
                    configs[name] = chosen
                    specs[name] = self._answer_spec(stage, name, folder, chosen)
                    prepared += _prepare(hosts[name], specs[name])
                if not gate.is_admitted(name, folder, configs[name], temperature):
                    gate.admit(name, first, folder, specs[name], temperature)
        for future in prepared:
            future.result()
        if "manners" not in resolved:
            resolved["manners"] = {name: each.to_json() for name, each in configs.items()}
            self.role_specs.store.amend(stage.digest, resolved)
        return StreamedKnowledge(
            ensemble_of(stage, self.role_specs.plan, self.bank_shelves.transfer_set),
            {name: hosts.get(name, ()) for name in stage.teachers},
            self.role_specs.plan.recipe.timeouts.teacher.total_seconds(),
            stage.ensemble.on_teacher_loss,
            specs,
        )

    def _stored_configs(
        self, stage: Stage, resolved: Resolved, folders: Mapping[str, Path]
    ) -> dict[str, InferenceConfig]:
        """How each teacher is run, if that has been chosen: at this stage's first attempt, or by
        another stage that used the teacher before."""
        first = resolved.get("manners")
        if first is not None:
            return {name: InferenceConfig.from_json(each) for name, each in first.items()}
        stored = {name: stored_config(folders[name]) for name in stage.teachers}
        return {name: config for name, config in stored.items() if config is not None}

    def _answer_spec(
        self, stage: Stage, name: str, folder: Path, config: InferenceConfig
    ) -> AnswerSpec:
        """What is asked and kept; nothing is kept where the shelf is of another config."""
        spec = self.bank_shelves.answer_spec(stage, name, folder, config)
        return spec if stored_config(folder) == config else replace(spec, shelf=None)

    def _needs_no_host(
        self, stage: Stage, name: str, folder: Path, config: InferenceConfig
    ) -> bool:
        """Whether all its answers are stored, and it has passed the gate."""
        spec = self._answer_spec(stage, name, folder, config)
        temperature = stage.ensemble.temperature
        return self.bank_shelves.has_all(stage, name, spec) and self.parity_gate.is_admitted(
            name, folder, config, temperature
        )

    def _hosts(
        self,
        stage: Stage,
        resolved: Resolved,
        roles: ExitStack,
        names: Sequence[str],
    ) -> Hosts:
        recipe = self.role_specs.plan.recipe
        planned = resolve(stage, self.role_specs.plan, os.cpu_count() or 1)
        starts, owners = [], []
        for name in names:
            config, threads = recipe.teachers[name], resolved["teachers"][name]
            spec = self.role_specs.teacher_spec(name, threads)
            room = planned["teachers"][name]
            place = resources_of(config.resources, threads, counted=room)
            for replica in range(config.replicas):
                title = f"teacher {name}" + (f", replica {replica}" if replica else "")
                starts.append(partial(self.runtime.start, place, title, TeacherHost, spec))
                owners.append(name)
        handles = self.start(roles, starts)
        return {
            name: tuple(h for owner, h in zip(owners, handles, strict=True) if owner == name)
            for name in names
        }

    @contextmanager
    def _locked(self, folder: Path) -> Iterator[None]:
        """Lets one stage at a time prepare the teacher, so that it is measured once."""
        with ExitStack() as closing:
            with suppress(OSError):  # On a full disk each measures it.
                closing.enter_context(hold_lock(folder / "settling.lock", self.stopping))
            yield


def _prepare(hosts: Sequence[Handle[TeacherHost]], answers: AnswerSpec) -> list[Future[None]]:
    """Has each replica build, and perhaps compile, what gives these answers."""
    return [handle.call(TeacherHost.prepare, answers) for handle in hosts]


def _seal(specs: Mapping[str, AnswerSpec]) -> None:
    """Seals what the stage has stored, once its teachers have ended."""
    for spec in specs.values():
        if spec.shelf is not None:
            seal_all(spec.shelf)
