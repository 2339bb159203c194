"""Measures the cost of teaching for a step: samples/s of untaught student, student, teachers.

    python -m benchmarks.throughput ROOT [--rounds 6] [--steps 10]

``ROOT`` holds cifar-10-batches-py and the weights of a ResNet-20 and a ResNet-32 under
``weights``; a ResNet-8 is the student. Each round runs a few steps of each: the untaught student,
the taught student, the teachers alone; the last two once with all roles in this process and once
with the teachers as Ray actors. So load slows all of them.

The step time of a taught student is that of an untaught one plus the time it waits for knowledge;
the rest is printed as the residual. All roles compute on one thread. The first steps of a turn do
not count, since actors have computed a few answers ahead during the turns of the others.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import fmean, median

from cluster.in_process import InProcessRuntime
from cluster.ray.local_runtime import LocalRuntime
from cluster.runtime import Demand, Handle, Runtime
from students.config import CheckpointConfig, EngineConfig, TrainConfig
from students.events import Committed
from students.knowledge import KnowledgeSource
from students.models.config import Preprocessing, Weights
from students.models.residual import ResNetCifar
from students.objectives.cross_entropy import Task
from students.objectives.soft_targets import SoftTargets
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
from students.transfer_sets.planned_data import PlannedData
from students.transfer_sets.sampler import BatchSampler
from students.transfer_sets.transfer_set import TransferSet
from teachers.client.answer_source import LOOK_AHEAD
from teachers.client.stream import StreamedKnowledge
from teachers.config import Wait
from teachers.ensemble.ensemble import Ensemble
from teachers.inference.inference_config import plain
from teachers.serving.answer_spec import AnswerSpec
from teachers.serving.host import TeacherHost, TeacherSpec
from teachers.weighting.constant import Uniform

BATCH = 64
WEIGHTS = {20: "weights/resnet20-12fca82f.th", 32: "weights/resnet32-d509ac18.th"}
PUBLISHED = Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
UNTAUGHT: Mapping[str, Term] = {"task": Task()}
TAUGHT: Mapping[str, Term] = {
    "soft_targets": SoftTargets(weight=0.9),
    "task": Task(weight=0.1),
}
WARM_UP_STEPS = LOOK_AHEAD + 1


@dataclass(frozen=True)
class Turn:
    """Mean seconds of one step (or of one answer) in one turn; ``waited`` are part of them."""

    seconds: float
    waited: float = 0.0


@dataclass
class PausedStudent:
    """A student's rank in this process, which runs a turn of ``steps`` at a time."""

    rank: StudentRank
    steps: int
    segments: tuple[tuple[int, int], ...] = ()
    turns: list[Turn] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._events = self.rank.train()

    def take_turn(self) -> None:
        """Trains up to the next checkpoint, which ends the turn; records its step times."""
        committed = next(event for event in self._events if isinstance(event, Committed))
        folder = self.rank.assignment.stage_folder
        rows = list(read_committed(folder, committed.segments, self.segments))[WARM_UP_STEPS:]
        self.segments = committed.segments
        self.turns.append(
            Turn(
                fmean(row.values["step_seconds"] for row in rows),
                fmean(row.values["wait_seconds"] for row in rows),
            )
        )

    def close(self) -> None:
        """Ends the training, and with it the teachers' streams."""
        self._events.close()  # type: ignore[attr-defined]


@dataclass
class TeachersAlone:
    """Teachers without a student: their maximal throughput."""

    source: KnowledgeSource
    sampler: BatchSampler
    steps: int
    turns: list[Turn] = field(default_factory=list)

    def take_turn(self) -> None:
        """Asks as many questions as a student does in its turn."""
        count = self.steps * self.sampler.micro_batches
        micro_batches = islice(self.sampler.micro_batches_of(0, 1, 0), count)
        questions = [micro_batch.question for micro_batch in micro_batches]
        with self.source.ask(questions) as knowledge:
            for _ in range(WARM_UP_STEPS):
                next(knowledge)
            began = time.perf_counter()
            answered = sum(1 for _ in knowledge)
            self.turns.append(Turn((time.perf_counter() - began) / answered))

    def close(self) -> None:
        """Does nothing: no stream is open between turns."""


@dataclass(frozen=True)
class Bench:
    """The data, a folder for all files, and the number of steps of a turn."""

    transfer_set: TransferSet
    work: Path
    steps: int

    def teachers(self, runtime: Runtime) -> StreamedKnowledge:
        """Knowledge from teachers that ``runtime`` starts."""
        handles = {name: (self._teacher(runtime, name, depth),) for name, depth in _names()}
        ensemble = Ensemble(tuple(handles), self.transfer_set.classes, Uniform())
        answers = dict.fromkeys(handles, AnswerSpec(plain(1)))
        return StreamedKnowledge(ensemble, handles, 60.0, Wait(), answers)

    def _teacher(self, runtime: Runtime, name: str, depth: int) -> Handle[TeacherHost]:
        spec = TeacherSpec(
            name=name,
            path=f"teachers.{name}",
            model=ResNetCifar(depth=depth, preprocessing=PUBLISHED),
            weights=Weights(path=WEIGHTS[depth]),
            data=self._data(),
        )
        # The student's streams stay open during the turns of the teachers alone.
        demand = Demand(environment={"OMP_NUM_THREADS": "1"})
        return runtime.start(demand, name, TeacherHost, spec)

    def student(
        self, name: str, source: KnowledgeSource, objective: Mapping[str, Term]
    ) -> PausedStudent:
        """A ResNet-8 with this objective, which commits a checkpoint at the end of each turn."""
        folder = self.work / name
        assignment = Assignment(
            spec=self._spec(objective),
            data=self._data(),
            stage_folder=folder,
            attempt=begin_attempt(folder),
            threads=1,
            teachers=source.ensemble.names if isinstance(source, StreamedKnowledge) else (),
        )
        return PausedStudent(StudentRank(assignment, source), self.steps)

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

    def alone(self, source: KnowledgeSource) -> TeachersAlone:
        """The teachers of ``source``, asked the questions of a student."""
        ids = sample_ids(self.transfer_set, Samples("student", CropFlip()))
        sampler = BatchSampler(ids, BATCH, BATCH, 1, 0, self.transfer_set.view_of)
        return TeachersAlone(source, sampler, self.steps)

    def _data(self) -> PlannedData:
        given = self.transfer_set
        return PlannedData(given.config, given.identity, self._root(), self.work / "cache")

    def _root(self) -> Path:
        assert isinstance(self.transfer_set.config, Cifar10)
        return Path(self.transfer_set.config.root)


def _names() -> Iterator[tuple[str, int]]:
    return ((f"resnet{depth}", depth) for depth in WEIGHTS)


def measure(root: Path, work: Path, *, rounds: int, steps: int) -> dict[str, list[Turn]]:
    """The turns of every role, by its name."""
    config = Cifar10(root=str(root), augment=CropFlip(), validation="none")
    transfer_set = load_transfer_set(config, folder=root, cache=work / "cache")
    bench = Bench(transfer_set, work, steps + WARM_UP_STEPS)
    with ExitStack() as stack:
        here = stack.enter_context(closing(InProcessRuntime()))
        apart = stack.enter_context(closing(LocalRuntime(len(WEIGHTS), home=work)))
        untaught = bench.student("untaught", NoTeachers(transfer_set.classes), UNTAUGHT)
        roles: dict[str, PausedStudent | TeachersAlone] = {"untaught": untaught}
        for name, runtime in (("in_process", here), ("local", apart)):
            source = bench.teachers(runtime)
            roles[f"taught, {name}"] = bench.student(f"taught-{name}", source, TAUGHT)
            roles[f"teachers alone, {name}"] = bench.alone(source)
        for role in roles.values():
            stack.enter_context(closing(role))
        for _ in range(rounds + 1):
            for role in roles.values():
                role.take_turn()
        # The first round is a warm-up.
        return {name: role.turns[1:] for name, role in roles.items()}


def lines(turns: Mapping[str, Sequence[Turn]]) -> Iterator[str]:
    """Medians over the rounds, and for each runtime the parts of a taught step."""
    yield f"{'':28s} {'samples/s':>10s} {'ms a step':>10s} {'waited ms':>10s}"
    for name, each in turns.items():
        seconds = median(turn.seconds for turn in each)
        waited = median(turn.waited for turn in each)
        yield f"{name:28s} {BATCH / seconds:10.0f} {1e3 * seconds:10.1f} {1e3 * waited:10.1f}"
    for name, each in turns.items():
        if name.startswith("taught"):
            yield _explain(name, turns["untaught"], each)


def _explain(name: str, untaught: Sequence[Turn], taught: Sequence[Turn]) -> str:
    """The residual is taken within a round, so that load on a whole round cancels out."""
    residuals = [
        after.seconds - after.waited - before.seconds
        for before, after in zip(untaught, taught, strict=True)
    ]
    step, waited = (median(values) for values in _figures(taught))
    base, residual = median(turn.seconds for turn in untaught), median(residuals)
    return (
        f"{name}: untaught {1e3 * base:.1f} + waited {1e3 * waited:.1f} = "
        f"{1e3 * (base + waited):.1f} ms, measured {1e3 * step:.1f} ms; residual of a round "
        f"{1e3 * residual:+.1f} ms ({residual / step:+.1%} of a taught step; rounds "
        f"{1e3 * min(residuals):+.1f} to {1e3 * max(residuals):+.1f})"
    )


def _figures(turns: Sequence[Turn]) -> tuple[list[float], list[float]]:
    return [turn.seconds for turn in turns], [turn.waited for turn in turns]


def main() -> None:
    """Prints the figures of one run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--steps", type=int, default=10, help="counted steps of a turn")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as work:
        root = options.root.expanduser().absolute()
        turns = measure(root, Path(work), rounds=options.rounds, steps=options.steps)
    for line in lines(turns):
        print(line)
    print(
        f"batches of {BATCH}, medians of {options.rounds} rounds; {time.monotonic() - began:.0f} s"
    )


if __name__ == "__main__":
    main()
