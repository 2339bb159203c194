"""Makes the teachers of a stage ready: starts those that must compute, chooses how each is run, and
has it pass the parity gate.

Waits for the teachers' answers to the gate and to the autotuner, and for another stage that
prepares the same teacher; freed by these, by the runtime being closed, or by ``stopping``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from cluster.runtime import Handle
from orchestrator.execution.parity_gate import admit, choose_config
from orchestrator.execution.stage_teacher import StageTeacher
from orchestrator.execution.teacher_pool import WantedTeacher
from orchestrator.home.process_lock import hold_lock
from orchestrator.planning.stage import Stage, class_maps
from orchestrator.planning.thread_allocation import Resolved, resolve, resources_of
from students.transfer_sets.transfer_set import TransferSet
from teachers.bank.compaction import seal_all
from teachers.client.stream import StreamedKnowledge
from teachers.ensemble.ensemble import Ensemble
from teachers.inference.inference_config import InferenceConfig
from teachers.serving.answer_spec import AnswerSpec
from teachers.serving.host import TeacherHost

Handles = tuple[Handle[TeacherHost], ...]


@dataclass
class TeacherStartup:
    """The ``teachers`` of one attempt at a ``stage``, which are started on the threads
    ``resolved``; all of them with ``start_all``, else those whose answers are not all stored."""

    stage: Stage
    teachers: Sequence[StageTeacher]
    resolved: Resolved
    start_all: bool
    configs: dict[str, InferenceConfig] = field(init=False)

    def __post_init__(self) -> None:
        """How each teacher is run: as chosen at the stage's first attempt, else as another stage
        that used the teacher before has chosen."""
        first = self.resolved.get("manners")
        if first is not None:
            self.configs = {name: InferenceConfig.from_json(each) for name, each in first.items()}
            return
        stored = {teacher.ref.name: teacher.config for teacher in self.teachers}
        self.configs = {name: config for name, config in stored.items() if config is not None}

    def wanted(self, cores: int) -> list[WantedTeacher]:
        """The replicas that have to run."""
        planned = resolve(self.stage, cores)["teachers"]
        return [
            WantedTeacher(
                teacher.spec(self.resolved["teachers"][teacher.ref.name]),
                teacher.ref.precision,
                replica,
                f"teacher {teacher.ref.name}" + (f", replica {replica}" if replica else ""),
                resources_of(
                    teacher.ref.resources,
                    self.resolved["teachers"][teacher.ref.name],
                    counted=planned[teacher.ref.name],
                ),
            )
            for teacher in self.teachers
            if self._must_run(teacher)
            for replica in range(teacher.ref.replicas)
        ]

    def connect(
        self, handles: Mapping[str, Handles], transfer_set: TransferSet, stopping: Event
    ) -> StreamedKnowledge:
        """Has the running teachers pass the gate, and connects all of them to the students.

        Raises:
            TeacherError: a teacher failed the gate, or cannot be built.
        """
        for teacher in self.teachers:
            running = handles.get(teacher.ref.name)
            if running:
                with _locked(teacher.folder, stopping):
                    self._qualify(teacher, running)
        return StreamedKnowledge(
            _ensemble(self.stage, transfer_set),
            {teacher.ref.name: handles.get(teacher.ref.name, ()) for teacher in self.teachers},
            self.stage.timeouts.teacher.total_seconds(),
            self.stage.ensemble.on_teacher_loss,
            self._answers(),
        )

    def seal(self) -> None:
        """Seals what the stage has stored, once its students have ended."""
        for answers in self._answers().values():
            if answers.shelf is not None:
                seal_all(answers.shelf)

    def _must_run(self, teacher: StageTeacher) -> bool:
        config = self.configs.get(teacher.ref.name)
        return self.start_all or config != teacher.config or not teacher.is_answered

    def _qualify(self, teacher: StageTeacher, handles: Handles) -> None:
        name = teacher.ref.name
        if name not in self.configs:
            threads = self.resolved["teachers"][name]
            self.configs[name] = choose_config(teacher, handles[0], threads)
        config = self.configs[name]
        answers = teacher.answers(config)
        for handle in handles:
            handle.call(TeacherHost.prepare, answers).result(teacher.patience)
        if not teacher.is_admitted(config):
            admit(teacher, handles[0], config)

    def _answers(self) -> dict[str, AnswerSpec]:
        known = (t for t in self.teachers if t.ref.name in self.configs)
        return {
            teacher.ref.name: teacher.answers(self.configs[teacher.ref.name]) for teacher in known
        }


def _ensemble(stage: Stage, transfer_set: TransferSet) -> Ensemble:
    """The ensemble that teaches ``stage``; it holds labels only if its weighting rule reads them,
    and then only those that the student is given."""
    weighting = stage.ensemble.weighting
    return Ensemble(
        tuple(ref.name for ref in stage.teachers),
        transfer_set.classes,
        weighting,
        noise=stage.ensemble.effective_noise,
        seed=stage.ensemble_seed,
        labels=transfer_set.student_targets if weighting.needs_labels else None,
        class_maps=class_maps(stage.teachers),
    )


@contextmanager
def _locked(folder: Path, stopping: Event) -> Iterator[None]:
    """Lets one stage at a time prepare the teacher, so that it is measured once."""
    with ExitStack() as closing:
        with suppress(OSError):  # On a full disk each measures it.
            closing.enter_context(hold_lock(folder / "settling.lock", stopping))
        yield
