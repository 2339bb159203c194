"""Compares the step time of an untaught student with a bare training loop of the same work.

    python -m benchmarks.student_step ROOT [--rounds 5] [--steps 10] [--threads 2]
        [--precision fp32]

``ROOT`` holds cifar-10-batches-py. A ResNet-8 is trained on CIFAR-10 with crop and flip, in
batches of 128: in a bare loop with the library's views (contiguous, and channels last), on the
torch engine, and under DeepSpeed at ZeRO stage 1; each in fp32 and in bf16. Each has a process of
its own and runs a few steps in each round, so that load slows all of them; ratios are taken within
a round. The first steps of a turn do not count.

For our own steps it also prints the share outside the engine's forward and backward pass and its
optimizer step: views, loss, reports, step log and all else.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean, median
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from cluster.ray.local_runtime import LocalRuntime
from cluster.runtime import Demand, Handle
from students.config import CheckpointConfig, EngineConfig, TrainConfig
from students.events import Committed
from students.models.residual import ResNetCifar
from students.objectives.cross_entropy import Task
from students.optimizers import Sgd
from students.specs import Assignment, Samples, StudentSpec
from students.storage.attempts import begin_attempt
from students.storage.step_log import read_committed
from students.torch_state import use_threads
from students.training.build import sample_ids, student_network
from students.training.questions import NoTeachers
from students.training.student_rank import StudentRank
from students.training.trainer import Trainer
from students.transfer_sets.catalog import load_planned
from students.transfer_sets.config import Cifar10, CropFlip
from students.transfer_sets.identity import identify
from students.transfer_sets.planned_data import PlannedData
from students.transfer_sets.sampler import BatchSampler
from students.transfer_sets.transfer_set import TransferSet

BATCH = 128
WARM_UP_STEPS = 3
PRECISIONS = ("fp32", "bf16")
ENGINES = {
    "torch": EngineConfig(kind="torch"),
    "zero_1": EngineConfig(kind="deepspeed", zero_stage=1),
}


@dataclass(frozen=True)
class Turn:
    """Mean seconds of one step in one turn; ``outside`` are those not spent in the engine."""

    seconds: float
    outside: float = 0.0


class BareLoop:
    """A loop as written by hand, on the same images; contiguous or channels last."""

    def __init__(self, task: Assignment, *, channels_last: bool) -> None:
        self._task = task
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self._layout = layout
        self._set = load_planned(task.data)
        network = student_network(task.spec, self._set, task.data.folder)
        self._preprocess = network.preprocess
        self._model = network.model.to(memory_format=layout)
        self._optimizer = torch.optim.SGD(self._model.parameters(), lr=0.1, momentum=0.9)
        ids = sample_ids(self._set, task.spec.samples)
        sampler = BatchSampler(ids, BATCH, BATCH, 100, 0, self._set.view_of)
        self._questions = (micro.question for micro in sampler.micro_batches_of(0, 1, 0))

    def turn(self, steps: int) -> Turn:
        """Seconds of a step."""
        with use_threads(self._task.threads):
            for _ in range(WARM_UP_STEPS):
                self._step()
            began = time.perf_counter()
            for _ in range(steps):
                self._step()
        return Turn((time.perf_counter() - began) / steps)

    def _step(self) -> None:
        question = next(self._questions)
        batch = self._set.batch(question.sample_ids, question.view)
        bf16 = self._task.spec.train.precision == "bf16"
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = self._model(
                self._preprocess(batch.inputs.contiguous(memory_format=self._layout))
            )
        loss = cross_entropy(logits.float(), batch.targets)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()


class TimedRank(StudentRank):
    """A student's rank that counts the seconds spent in its engine."""

    spent = 0.0

    def _trainer(self, transfer_set: TransferSet) -> Trainer:
        trainer = super()._trainer(transfer_set)
        for name in ("forward", "backward", "step"):
            timed = partial(self._timed, getattr(trainer.engine, name))
            setattr(trainer.engine, name, timed)
        return trainer

    def _timed(self, work: Callable[..., Any], *args: Any) -> Any:
        began = time.perf_counter()
        result = work(*args)
        self.spent += time.perf_counter() - began
        return result


class OurLoop:
    """A student's rank that pauses at each checkpoint, which ends a turn."""

    def __init__(self, task: Assignment) -> None:
        self._task = task
        self._rank = TimedRank(task, NoTeachers(10))
        self._events = self._rank.train()
        self._segments: tuple[tuple[int, int], ...] = ()

    def turn(self, steps: int) -> Turn:
        """Seconds of a step, by the times at which its rows were written."""
        spent = self._rank.spent
        committed = next(event for event in self._events if isinstance(event, Committed))
        spent = (self._rank.spent - spent) / (steps + WARM_UP_STEPS)
        rows = list(read_committed(self._task.stage_folder, committed.segments, self._segments))
        self._segments = committed.segments
        counted = rows[WARM_UP_STEPS - 1 :]
        seconds = (counted[-1].time_ms - counted[0].time_ms) / 1e3 / steps
        whole = fmean(row.values["step_seconds"] for row in rows)
        return Turn(seconds, max(0.0, whole - spent))


def assignment(root: Path, work: Path, name: str, precision: str, options: Any) -> Assignment:
    """One student's assignment, which commits a checkpoint at the end of each turn."""
    samples = Samples("student", CropFlip())
    train = TrainConfig.model_validate(
        {"epochs": 100, "batch_size": BATCH, "threads": options.threads, "precision": precision,
         "optimizer": Sgd(lr=0.1), "gradient_clipping": "none", "lr_schedule": "constant",
         "checkpoint": CheckpointConfig(every=options.steps + WARM_UP_STEPS, keep=1)}
    )  # fmt: skip
    engine = ENGINES.get(name, ENGINES["torch"])
    spec = StudentSpec(
        "student", ResNetCifar(depth=8), None, {"task": Task()}, train, engine, 0, samples, 4.0,
        "arithmetic",
    )  # fmt: skip
    folder = work / f"{name}-{precision}"
    config = Cifar10(root=str(root), augment=CropFlip(), validation="none")
    cache = work / "cache"
    data = PlannedData(config, identify(config, folder=root, cache=cache), root, cache)
    return Assignment(spec, data, folder, begin_attempt(folder), options.threads)


def measure(options: argparse.Namespace, work: Path) -> dict[str, list[Turn]]:
    """The turns of every loop, by its name; the first round is a warm-up."""
    root = options.root.expanduser().absolute()
    demand = Demand(environment={"OMP_NUM_THREADS": str(options.threads)})
    turns: dict[str, list[Turn]] = {}
    with closing(LocalRuntime(8, home=work)) as runtime:
        loops: dict[str, Handle[Any]] = {}
        for precision in options.precision or PRECISIONS:
            for name in ("bare", "bare, channels last", *ENGINES):
                task = assignment(root, work, name, precision, options)
                if name in ENGINES:
                    handle: Handle[Any] = runtime.start(demand, name, OurLoop, task)
                else:
                    last = name != "bare"
                    handle = runtime.start(demand, name, BareLoop, task, channels_last=last)
                loops[f"{name}, {precision}"] = handle
        for round_number in range(options.rounds + 1):
            for name, handle in loops.items():
                kind = BareLoop if name.startswith("bare") else OurLoop
                turn = handle.call(kind.turn, options.steps).result(timeout=600)
                if round_number:
                    turns.setdefault(name, []).append(turn)
    return turns


def lines(turns: Mapping[str, Sequence[Turn]]) -> Iterator[str]:
    """Medians over the rounds; speed relative to the faster bare loop of that precision."""
    yield f"{'':28s} {'samples/s':>10s} {'ms a step':>10s} {'of bare':>8s} {'outside':>8s}"
    for name, each in turns.items():
        precision = name.rpartition(", ")[2]
        bare = (turns[f"{kind}, {precision}"] for kind in ("bare", "bare, channels last"))
        fastest = min(bare, key=lambda one: median(turn.seconds for turn in one))
        seconds = median(turn.seconds for turn in each)
        share = median(
            base.seconds / turn.seconds for base, turn in zip(fastest, each, strict=True)
        )
        outside = median(turn.outside / turn.seconds for turn in each)
        yield (
            f"{name:28s} {BATCH / seconds:10.0f} {1e3 * seconds:10.1f} {share:8.1%} "
            + (f"{outside:8.1%}" if outside else f"{'':8s}")
        )


def main() -> None:
    """Prints the figures of one run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10, help="counted steps of a turn")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", choices=PRECISIONS, action="append")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        turns = measure(options, Path(work))
    for line in lines(turns):
        print(line)
    print(f"batches of {BATCH}, {options.threads} threads, medians of {options.rounds} rounds")


if __name__ == "__main__":
    main()
