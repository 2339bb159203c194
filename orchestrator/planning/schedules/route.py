"""A route along a teacher's training (RCO: Jin et al., 2019, arXiv:1904.09149, section 3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from orchestrator.planning.stage import Stage, StageRole, TeacherRef
from orchestrator.planning.stage_maker import StageMaker
from orchestrator.schedule_config import Route
from students.specs import StageOutput


def route(
    maker: StageMaker, schedule: Route, teachers: Sequence[TeacherRef], repeat: int
) -> Iterator[Stage]:
    """``route.1`` and so on, then the student: one model, each stage from the weights of the one
    before, with the optimizer and the learning rate of a first epoch; an anchor teaches each."""
    spec = maker.student(repeat)
    anchors = _anchors(maker, schedule, teachers)
    for name, anchor in zip((*schedule.names, "student"), anchors, strict=True):
        role = StageRole.STUDENT if name == "student" else StageRole.ROUTE
        stage = maker.taught_by_one(name, spec, role, anchor, repeat)
        yield stage
        spec = replace(spec, weights=StageOutput(stage.digest))


def _anchors(
    maker: StageMaker, schedule: Route, teachers: Sequence[TeacherRef]
) -> Iterator[TeacherRef]:
    """The teacher after each epoch of the route; after its last one it is the finished model."""
    name = schedule.teacher_of(ref.name for ref in teachers)
    [teacher] = (ref for ref in teachers if ref.name == name)
    train = maker.recipe.teachers[name].train
    last = schedule.count if train is None else train.last_epoch
    for epoch in schedule.anchor_epochs(last):
        anchor = StageOutput.anchor(teacher.stage, epoch)
        yield teacher if epoch == last else replace(teacher, weights=anchor)
