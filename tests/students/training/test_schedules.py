"""Term weights that change over the epochs: questions, logs and the trained result."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from students.events import Committed, Resumed
from students.objectives.weight_schedule import LinearWeight, StopWeight
from students.specs import StudentSpec
from students.storage.checkpoint import Checkpoint
from students.storage.outcome import weights_file
from students.training.build import deployed_weights
from teachers.config import TeacherTrain
from tests.students import tiny

EPOCH = 4
"""Steps of one epoch, of two micro-batches each."""


def scheduled(**weights: Any) -> StudentSpec:
    """The tiny student, for three epochs, with these term weights."""
    spec = tiny.spec(epochs=3)
    terms = {
        name: term.model_copy(update={"weight": weights.get(name, term.weight)})
        for name, term in spec.objective.items()
    }
    return replace(spec, objective=terms)


STOP = scheduled(
    near=StopWeight(value=0.5, epoch=1), soft_targets=LinearWeight(start=0.9, end=0, epochs=2)
)
"""The hint stops after an epoch, the soft targets after two; the labels go on."""


def rows(stage: Path, part: str) -> list[set[str]]:
    """The terms that each step tells of, in ``terms/`` or ``gradient/``."""
    return [
        {name.removeprefix(part) for name in values if name.startswith(part)}
        for kind, _, values in tiny.measured(stage)
        if kind == "step"
    ]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tiny.OneTeacher]:
    stage, source = tmp_path_factory.mktemp("stopped") / "stage", tiny.OneTeacher()
    tiny.train(stage, STOP, source=source)
    return stage, source


def test_teachers_are_not_asked_after_every_term_that_needs_them_has_stopped(
    stopped: tuple[Path, tiny.OneTeacher],
) -> None:
    _, source = stopped
    assert [question.epoch for question in source.asked] == [0] * 2 * EPOCH + [1] * 2 * EPOCH


def test_a_term_is_logged_in_the_epochs_in_which_it_is_active(
    stopped: tuple[Path, tiny.OneTeacher],
) -> None:
    stage, _ = stopped
    first, second, third = {"near", "soft_targets", "task"}, {"soft_targets", "task"}, {"task"}
    assert rows(stage, "terms/") == [first] * EPOCH + [second] * EPOCH + [third] * EPOCH


def test_gradient_norms_are_logged_once_an_epoch(
    stopped: tuple[Path, tiny.OneTeacher],
) -> None:
    stage, _ = stopped
    logged = rows(stage, "gradient/")
    assert logged[0] == {"near", "soft_targets", "task"}
    assert logged[EPOCH] == {"soft_targets", "task"}
    assert logged[2 * EPOCH] == {"task"}
    assert all(not names for step, names in enumerate(logged) if step % EPOCH)


@pytest.mark.parametrize("step", [3, 7, 10])
def test_a_training_interrupted_before_or_after_the_stop_ends_the_same(
    stopped: tuple[Path, tiny.OneTeacher], tmp_path: Path, step: int
) -> None:
    stage, source = tmp_path / "stage", tiny.OneTeacher()
    tiny.train(stage, STOP, until=step)
    resumed, *_ = tiny.train(stage, STOP, source=source)
    assert isinstance(resumed, Resumed)
    assert len(source.asked) == 2 * max(0, 2 * EPOCH - resumed.step)
    assert weights_file(stage).read_bytes() == weights_file(stopped[0]).read_bytes()
    assert tiny.measured(stage) == tiny.measured(stopped[0])


def test_a_stop_after_the_last_epoch_is_the_plain_weight_bit_for_bit(tmp_path: Path) -> None:
    tiny.train(tmp_path / "plain", scheduled())
    tiny.train(tmp_path / "never", scheduled(soft_targets=StopWeight(value=0.9, epoch=100)))
    plain, never = (weights_file(tmp_path / name).read_bytes() for name in ("plain", "never"))
    assert plain == never
    assert tiny.measured(tmp_path / "plain") == tiny.measured(tmp_path / "never")


def test_teachers_of_later_epochs_are_not_asked_before(tmp_path: Path) -> None:
    late, source = StopWeight(value=0, epoch=2, after=0.9), tiny.OneTeacher()
    tiny.train(tmp_path / "stage", scheduled(near=late, soft_targets=late), source=source)
    assert [question.epoch for question in source.asked] == [2] * 2 * EPOCH


def test_the_loss_is_the_sum_by_the_weights_of_its_epoch(
    stopped: tuple[Path, tiny.OneTeacher],
) -> None:
    steps = [values for kind, _, values in tiny.measured(stopped[0]) if kind == "step"]
    by_epoch = (
        {"near": 0.5, "soft_targets": 0.9, "task": 0.1},
        {"soft_targets": 0.45, "task": 0.1},
        {"task": 0.1},
    )
    for step, values in enumerate(steps):
        weights = by_epoch[step // EPOCH]
        by_hand = sum(weight * values[f"terms/{name}"] for name, weight in weights.items())
        assert values["loss"] == pytest.approx(by_hand, rel=1e-6)


def test_training_that_stops_early_ends_as_the_whole_one_was_after_that_epoch(
    tmp_path: Path,
) -> None:
    """To the bit, for the learning rate follows all epochs."""
    train = {"epochs": 3, "batch_size": 16, "micro_batch_size": 8, "threads": 1}
    whole = TeacherTrain.model_validate({**train, "checkpoint": {"keep": 3}})
    stopped = whole.model_copy(update={"stop_epoch": 2})
    for name, settings in (("whole", whole), ("stopped", stopped)):
        spec = replace(tiny.spec(taught=False), train=settings)
        *_, last = tiny.train(tmp_path / name, spec)
        assert isinstance(last, Committed)
        assert last.step == settings.last_epoch * EPOCH
    anchor = tmp_path / "whole" / "checkpoints" / f"step-{2 * EPOCH:06d}"
    expected = deployed_weights(Checkpoint(2 * EPOCH, {}, anchor).load())
    found = load_file(weights_file(tmp_path / "stopped"))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)
