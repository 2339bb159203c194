"""Measures what teaching costs a step: samples per second of student, taught student, teachers.

    python -m benchmarks.throughput ROOT [--rounds 6] [--steps 10]

``ROOT`` holds cifar-10-batches-py and the weights of a ResNet-20 and a ResNet-32 under
``weights``; a ResNet-8 is the student. In each round take their turn, for a few steps each: the
student untaught, the student taught, the teachers alone; the last two once with all roles in
this process and once with the teachers as Ray actors. So a busy machine slows all of them.

A taught step is an untaught step and the time it waited for knowledge; what is left over is
printed as the residue. All roles compute on one thread. The first steps of a turn do not count:
actors answer a few questions ahead, and did so while the others had their turn.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median

from cluster.in_process import InProcessRuntime
from cluster.ray.local_runtime import LocalRuntime
from cluster.runtime import Demand, Handle, Runtime
from students.config import CheckpointConfig, EngineConfig, TrainConfig
from students.events import Committed
from students.knowledge import KnowledgeSource
from students.models.config import Preprocessing, Weights
from students.models.resnet_cifar import ResNetCifar
from students.objectives.soft_targets import SoftTargets
from students.objectives.task import Task
from students.objectives.term import Term
from students.optimizers import Sgd
from students.specs import Assignment, Samples, StudentSpec
from students.storage.attempts import begin_attempt
from students.storage.step_log import read_committed
from students.training.build import sample_ids
from students.training.questions import NoTeachers
from students.training.student_rank import StudentRank
from students.transfer_sets.catalog import load_transfer_set
from students.transfer_sets.config import Cifar10, CropFlip
from students.transfer_sets.sampler import BatchSampler
from students.transfer_sets.transfer_set import TransferSet
from teachers.client.answer_source import LOOK_AHEAD
from teachers.client.stream import STREAMS_PER_RANK, StreamedKnowledge
from teachers.config import Wait
from teachers.ensemble.ensemble import Ensemble
from teachers.serving.host import TeacherHost, TeacherSpec
from teachers.weighting.uniform import Uniform

BATCH = 64
WEIGHTS = {20: "weights/resnet20-12fca82f.th", 32: "weights/resnet32-d509ac18.th"}
PUBLISHED = Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
UNTAUGHT: Mapping[str, Term] = {"task": Task()}
TAUGHT: Mapping[str, Term] = {
    "soft_targets": SoftTargets(weight=0.9),
    "task": Task(weight=0.1),
}
UNCOUNTED = LOOK_AHEAD + 1


@dataclass(frozen=True)
class Turn:
    """Mean seconds of one step (or of one answer) in one turn; ``waited`` are part of them."""

    seconds: float
    waited: float = 0.0


@dataclass
class PausedStudent:
    """A student's rank in this process, which goes on for a turn of ``steps`` at a time."""

    rank: StudentRank
    steps: int
    segments: tuple[tuple[int, int], ...] = ()
    turns: list[Turn] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._events = self.rank.train()

    def take_turn(self) -> None:
        """Trains up to the next checkpoint, which ends each turn; notes what its steps took."""
        committed = next(event for event in self._events if isinstance(event, Committed))
        folder = self.rank.assignment.stage_folder
        rows = list(read_committed(folder, committed.segments, self.segments))[UNCOUNTED:]
        self.segments = committed.segments
        self.turns.append(
            Turn(
                fmean(row.values["step_seconds"] for row in rows),
                fmean(row.values["wait_seconds"] for row in rows),
            )
        )

    def close(self) -> None:
        """Ends the training in the middle, and with it the lessons."""
        self._events.close()  # type: ignore[attr-defined]


@dataclass
class TeachersAlone:
    """Lessons that nobody learns from: what the teachers can do at most."""

    lessons: KnowledgeSource
    sampler: BatchSampler
    steps: int
    turns: list[Turn] = field(default_factory=list)

    def take_turn(self) -> None:
        """Has as many questions answered as a student asks in its turn."""
        micro_batches = self.sampler.micro_batches_of(0, 1, 0, self.steps)
        questions = [micro_batch.question for micro_batch in micro_batches]
        with self.lessons.ask(questions) as knowledge:
            for _ in range(UNCOUNTED):
                next(knowledge)
            began = time.perf_counter()
            answered = sum(1 for _ in knowledge)
            self.turns.append(Turn((time.perf_counter() - began) / answered))

    def close(self) -> None:
        """Nothing is open between turns."""


@dataclass(frozen=True)
class Bench:
    """The data, a folder for all that is written, and how many steps one turn has."""

    transfer_set: TransferSet
    work: Path
    steps: int

    def teachers(self, runtime: Runtime) -> StreamedKnowledge:
        """Lessons from teachers that ``runtime`` starts."""
        handles = {name: (self._teacher(runtime, name, depth),) for name, depth in _names()}
        ensemble = Ensemble(tuple(handles), self.transfer_set.classes, Uniform())
        return StreamedKnowledge(ensemble, handles, timeout=60.0, on_loss=Wait())

    def _teacher(self, runtime: Runtime, name: str, depth: int) -> Handle[TeacherHost]:
        spec = TeacherSpec(
            name=name,
            model=ResNetCifar(depth=depth, preprocessing=PUBLISHED),
            weights=Weights(path=WEIGHTS[depth]),
            transfer_set=self.transfer_set.config,
            folder=self._root(),
            cache=self.work / "cache",
        )
        # The student's streams stay open while the teachers have their turn alone.
        demand = Demand(streams=2 * STREAMS_PER_RANK, environment={"OMP_NUM_THREADS": "1"})
        return runtime.start(demand, name, TeacherHost, spec)

    def student(
        self, name: str, lessons: KnowledgeSource, objective: Mapping[str, Term]
    ) -> PausedStudent:
        """A ResNet-8 that learns by ``objective``, and commits at the end of each turn."""
        folder = self.work / name
        assignment = Assignment(
            spec=self._spec(objective),
            transfer_set=self.transfer_set.config,
            folder=self._root(),
            cache=self.work / "cache",
            stage_folder=folder,
            attempt=begin_attempt(folder),
            threads=1,
            teachers=lessons.ensemble.names if isinstance(lessons, StreamedKnowledge) else (),
        )
        return PausedStudent(StudentRank(assignment, lessons), self.steps)

    def _spec(self, objective: Mapping[str, Term]) -> StudentSpec:
        return StudentSpec(
            path="student",
            model=ResNetCifar(depth=8),
            weights=None,
            objective=objective,
            train=TrainConfig(
                epochs=100,
                batch_size=BATCH,
                threads=1,
                optimizer=Sgd(lr=0.1),
                checkpoint=CheckpointConfig(every=self.steps, keep=1),
            ),
            engine=EngineConfig(kind="torch"),
            seed=0,
            samples=Samples("student", CropFlip()),
            temperature=4.0,
            mean="arithmetic",
        )

    def alone(self, lessons: KnowledgeSource) -> TeachersAlone:
        """The teachers of ``lessons``, asked what a student would ask."""
        ids = sample_ids(self.transfer_set, Samples("student", CropFlip()))
        sampler = BatchSampler(ids, BATCH, BATCH, 1, 0, self.transfer_set.view_of)
        return TeachersAlone(lessons, sampler, self.steps)

    def _root(self) -> Path:
        assert isinstance(self.transfer_set.config, Cifar10)
        return Path(self.transfer_set.config.root)


def _names() -> Iterator[tuple[str, int]]:
    return ((f"resnet{depth}", depth) for depth in WEIGHTS)


def measure(root: Path, work: Path, *, rounds: int, steps: int) -> dict[str, list[Turn]]:
    """The turns of every contestant, by its name."""
    config = Cifar10(root=str(root), augment=CropFlip(), validation="none")
    transfer_set = load_transfer_set(config, folder=root, cache=work / "cache")
    bench = Bench(transfer_set, work, steps + UNCOUNTED)
    with ExitStack() as stack:
        here = stack.enter_context(closing(InProcessRuntime()))
        apart = stack.enter_context(closing(LocalRuntime(len(WEIGHTS), home=work)))
        untaught = bench.student("untaught", NoTeachers(transfer_set.classes), UNTAUGHT)
        contestants: dict[str, PausedStudent | TeachersAlone] = {"untaught": untaught}
        for name, runtime in (("in_process", here), ("local", apart)):
            lessons = bench.teachers(runtime)
            contestants[f"taught, {name}"] = bench.student(f"taught-{name}", lessons, TAUGHT)
            contestants[f"teachers alone, {name}"] = bench.alone(lessons)
        for contestant in contestants.values():
            stack.enter_context(closing(contestant))
        for _ in range(rounds + 1):
            for contestant in contestants.values():
                contestant.take_turn()
        # The first round warms up: memory is touched, kernels are chosen.
        return {name: contestant.turns[1:] for name, contestant in contestants.items()}


def lines(turns: Mapping[str, Sequence[Turn]]) -> Iterator[str]:
    """Medians over the rounds, and for each runtime the sum that explains a taught step."""
    yield f"{'':28s} {'samples/s':>10s} {'ms a step':>10s} {'waited ms':>10s}"
    for name, each in turns.items():
        seconds = median(turn.seconds for turn in each)
        waited = median(turn.waited for turn in each)
        yield f"{name:28s} {BATCH / seconds:10.0f} {1e3 * seconds:10.1f} {1e3 * waited:10.1f}"
    for name, each in turns.items():
        if name.startswith("taught"):
            yield _explained(name, turns["untaught"], each)


def _explained(name: str, untaught: Sequence[Turn], taught: Sequence[Turn]) -> str:
    """The sum is made round by round, so that what slows a whole round cancels out."""
    residues = [
        after.seconds - after.waited - before.seconds
        for before, after in zip(untaught, taught, strict=True)
    ]
    step, waited = (median(values) for values in _figures(taught))
    base, residue = median(turn.seconds for turn in untaught), median(residues)
    return (
        f"{name}: untaught {1e3 * base:.1f} + waited {1e3 * waited:.1f} = "
        f"{1e3 * (base + waited):.1f} ms, measured {1e3 * step:.1f} ms; residue of a round "
        f"{1e3 * residue:+.1f} ms ({residue / step:+.1%} of a taught step; rounds "
        f"{1e3 * min(residues):+.1f} to {1e3 * max(residues):+.1f})"
    )


def _figures(turns: Sequence[Turn]) -> tuple[list[float], list[float]]:
    return [turn.seconds for turn in turns], [turn.waited for turn in turns]


def main() -> None:
    """Prints the figures of one run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--steps", type=int, default=10, help="counted steps of a turn")
    asked = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as work:
        root = asked.root.expanduser().absolute()
        turns = measure(root, Path(work), rounds=asked.rounds, steps=asked.steps)
    for line in lines(turns):
        print(line)
    print(f"batches of {BATCH}, medians of {asked.rounds} rounds; {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
