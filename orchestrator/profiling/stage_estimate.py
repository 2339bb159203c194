"""What each stage of a plan takes, from the measured parts of its roles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from orchestrator.planning.plan import Stage
from orchestrator.profiling.measured_plan import ExpectedStage
from orchestrator.profiling.throughput_model import BankCosts, Role, Speeds, Work, role, speeds


@dataclass(frozen=True)
class StudentCosts:
    """What a pupil does: ``rate`` samples/s of one rank in training, ``asking_rate`` when it is
    only asked, ``commit_seconds`` of a checkpoint, on ``threads`` of each of its ``ranks``."""

    rate: float
    asking_rate: float
    commit_seconds: float
    threads: int
    ranks: int = 1


@dataclass(frozen=True)
class Extent:
    """How much there is to do in a stage: ``samples`` in all its steps, of ``epochs`` epochs.

    ``answers``: of how many samples under how many views, each once, a teacher is asked, by view.
    """

    samples: int
    epochs: int
    commits: int
    validation: int
    test: int
    answers: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Parts:
    """All that was measured: costs of pupils by their stage's name, of the student also when no
    teacher is started (``student_alone``); each teacher as a role, and samples/s of an examined
    one in plain fp32; ``bank`` is none without one, and does not keep what the teachers ``unkept``
    are asked for; with ``start_seconds`` each stage begins, if it has processes of its own."""

    specs: Mapping[str, StudentCosts]
    student_alone: StudentCosts
    teachers: Mapping[str, Role]
    examined: Mapping[str, float]
    bank: BankCosts | None
    cores: int
    parallel: bool
    unkept: frozenset[str] = frozenset()
    start_seconds: float = 0.0

    def speeds(self, teachers: Sequence[str], *, started: bool = False) -> Speeds:
        """Of a student whom ``teachers`` teach; ``started``: they are there, and have their
        threads, also while all is read."""
        untaught = self.specs.get("controls.untaught", self.student_alone)
        beside = self._role(self.specs["student"])
        return speeds(
            beside,
            beside if started else self._role(self.student_alone),
            self._role(untaught),
            {name: self.teachers[name] for name in teachers},
            self.bank,
            self.cores,
            parallel=self.parallel,
            unkept=self.unkept & set(teachers),
        )

    def _role(self, costs: StudentCosts) -> Role:
        return role(costs.rate, threads=costs.threads, processes=costs.ranks, cores=self.cores)


@dataclass
class Expectation:
    """Goes through the stages in the plan's order and remembers which answers exist by then.

    ``stored``: by teacher, the views that are wholly there already.
    """

    parts: Parts
    extents: Mapping[str, Extent]
    stored: Mapping[str, set[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._there = {name: set(views) for name, views in self.stored.items()}

    def of(self, stages: Sequence[Stage]) -> Iterator[tuple[ExpectedStage, Work]]:
        """What is expected of each of ``stages``, and what it takes of the machine."""
        names = {stage.digest: stage.title for stage in stages}
        for stage in stages:
            needs = tuple(names[need] for need in stage.needs if need in names)
            expected, core_seconds = self._stage(stage)
            start = self.parts.start_seconds
            expected = replace(expected, seconds=start + expected.seconds)
            yield expected, Work(stage.title, expected.seconds, start + core_seconds, needs)

    def _stage(self, stage: Stage) -> tuple[ExpectedStage, float]:
        extent = self.extents[stage.name]
        if stage.kind == "examine":
            rate = self.parts.examined[stage.name]
            seconds = (extent.validation + extent.test) / rate
            return ExpectedStage(stage.title, stage.digest, seconds), seconds
        if stage.teachers:
            return self._taught(stage, extent)
        costs = self.parts.specs[stage.name]
        rate = costs.rate * costs.ranks
        steps, threads = extent.samples / rate, min(costs.threads, self.parts.cores)
        rest = beside_steps(costs, extent)
        expected = ExpectedStage(stage.title, stage.digest, steps + rest, rate)
        return expected, threads * (extent.samples / costs.rate + rest)

    def _taught(self, stage: Stage, extent: Extent) -> tuple[ExpectedStage, float]:
        student, bank = self.parts.specs["student"], self.parts.bank
        kept = [name for name in stage.teachers if name not in self.parts.unkept]
        new = max((self._take(name, extent) for name in kept), default=0)
        started = new > 0 or len(kept) < len(stage.teachers)
        found = self.parts.speeds(stage.teachers, started=started)
        rest = beside_steps(student, extent)
        teaching = sum(self.parts.teachers[name].core_seconds for name in stage.teachers)
        learning = min(student.threads, self.parts.cores) / student.rate
        if found.filling is None or found.filled is None or bank is None:
            seconds = extent.samples / found.live + rest
            work = extent.samples * (learning + teaching) + rest
            every = extent.samples * len(stage.teachers)
            return self._expected(stage, extent, seconds, rest, every), work
        asked = [name for name in stage.teachers if name in self.parts.unkept]
        known = extent.samples - new
        seconds = new / found.filling + known / found.filled + rest
        again = sum(self.parts.teachers[name].core_seconds for name in asked)
        work = (
            new * (learning + teaching + len(stage.teachers) * bank.write_seconds)
            + known * (learning + again + len(kept) * bank.read_seconds)
            + rest
        )
        computed = new * len(kept) + extent.samples * len(asked)
        return self._expected(stage, extent, seconds, rest, computed), work

    def _take(self, teacher: str, extent: Extent) -> int:
        """How many answers of ``teacher`` are new in this stage; they are there afterwards."""
        there = self._there.setdefault(teacher, set())
        new = sum(count for view, count in extent.answers.items() if view not in there)
        there.update(extent.answers)
        return min(new, extent.samples)

    def _expected(
        self, stage: Stage, extent: Extent, seconds: float, rest: float, asked: int
    ) -> ExpectedStage:
        return ExpectedStage(
            stage.title,
            stage.digest,
            seconds,
            extent.samples / (seconds - rest),
            asked=asked,
            read=extent.samples * len(stage.teachers) - asked,
        )


def beside_steps(costs: StudentCosts, extent: Extent) -> float:
    """Seconds of a stage beside its steps: validation, checkpoints, the last examination."""
    asked = extent.validation * extent.epochs / costs.ranks + extent.validation + extent.test
    return asked / costs.asking_rate + extent.commits * costs.commit_seconds
