"""Who can take a turn here, and one turn of one of them."""

from __future__ import annotations

import importlib
import time
from dataclasses import asdict, dataclass
from importlib.util import find_spec

import torch

from benchmarks.contest.meter import Meter, TurnOver
from benchmarks.contest.pictures import test_accuracy
from benchmarks.contest.setting import Setting
from students import torchvision_door


@dataclass(frozen=True)
class Contender:
    """``module`` of this folder trains with ``teachers``; ``needs`` is the library it measures."""

    module: str
    teachers: int
    needs: str | None = None

    @property
    def installed(self) -> bool:
        """Whether the library is there."""
        return self.needs is None or find_spec(self.needs) is not None


CONTENDERS = {
    "untaught, by hand": Contender("hand_written", 0),
    "teachers alone, fp32": Contender("teachers_alone", 3),
    "by hand, 3 teachers": Contender("hand_written", 3),
    "TextBrewer, 1 teacher": Contender("textbrewer", 1, "textbrewer"),
    "TextBrewer, 3 teachers": Contender("textbrewer", 3, "textbrewer"),
    "torchdistill, 1 teacher": Contender("torchdistill", 1, "torchdistill"),
    "ModelOpt, 1 teacher": Contender("modelopt", 1, "modelopt"),
}


@dataclass(frozen=True)
class Turn:
    """What one turn came to; ``accuracy`` (test, 0 to 1) only of a turn that was not ended."""

    images_per_second: float
    milliseconds: float
    steps: int
    seconds: float
    accuracy: float | None = None

    def to_json(self) -> dict[str, float | None]:
        """A plain object."""
        return asdict(self)


def take_turn(name: str, setting: Setting, meter: Meter, threads: int) -> Turn:
    """Trains as ``name`` does, on ``threads``, until ``meter`` ends the turn or all is learnt."""
    began = time.perf_counter()
    torch.set_num_threads(threads)
    torch.manual_seed(setting.seed)
    torchvision_door.datasets()  # before a peer imports torchvision past the door
    train = importlib.import_module(f"benchmarks.contest.{CONTENDERS[name].module}").train
    accuracy = None
    try:
        student = train(setting, meter)
    except TurnOver:
        pass
    else:
        accuracy = test_accuracy(student, setting)
    return Turn(
        images_per_second=meter.images_per_second,
        milliseconds=meter.milliseconds,
        steps=meter.steps,
        seconds=time.perf_counter() - began,
        accuracy=accuracy,
    )
