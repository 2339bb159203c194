"""A route along a teacher's training (RCO: Jin et al., 2019, arXiv:1904.09149, section 3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from orchestrator.planning.graph import Choice, Decision, Evidence, Node
from orchestrator.planning.recipe_stages import RecipeStages
from orchestrator.planning.stage import Stage, StageRole, TeacherRef
from orchestrator.planning.stage_maker import StageMaker
from orchestrator.schedule_config import Route
from students.specs import StageOutput

CHOICE = "route.choice"
_RULE = "the last epoch up to which KL(anchor || student) is at most the threshold"


def route(
    maker: StageMaker, schedule: Route, teachers: Sequence[TeacherRef], repeat: int
) -> Iterator[Stage]:
    """``route.1`` and so on, then the student."""
    teacher, trained = _followed(maker, schedule, teachers)
    epochs = schedule.anchor_epochs(trained)
    return _along(maker, [_anchor_after(teacher, epoch, trained) for epoch in epochs], repeat)


def _followed(
    maker: StageMaker, schedule: Route, teachers: Sequence[TeacherRef]
) -> tuple[TeacherRef, int]:
    """The teacher whose training the student follows, and for how many epochs it is trained."""
    name = schedule.teacher_of(ref.name for ref in teachers)
    [teacher] = (ref for ref in teachers if ref.name == name)
    train = maker.recipe.teachers[name].train
    return teacher, schedule.count if train is None else train.last_epoch


def _anchor_after(teacher: TeacherRef, epoch: int, trained: int) -> TeacherRef:
    """``teacher`` as it is after ``epoch``; after all that it is ``trained`` for, as it is."""
    if epoch == trained:
        return teacher
    return replace(teacher, weights=StageOutput.anchor(teacher.stage, epoch))


def _along(maker: StageMaker, anchors: Sequence[TeacherRef], repeat: int) -> Iterator[Stage]:
    """One model, each stage from the weights of the one before, with the optimizer and the learning
    rate of a first epoch; the next of ``anchors`` teaches each, the last one the student's."""
    spec = maker.student(repeat)
    for number, teacher in enumerate(anchors, 1):
        is_last = number == len(anchors)
        name = "student" if is_last else f"route.{number}"
        role = StageRole.STUDENT if is_last else StageRole.ROUTE
        stage = maker.taught_by_one(name, spec, role, teacher, repeat)
        yield stage
        spec = replace(spec, weights=StageOutput(stage.digest))


def greedy_route(stages: RecipeStages, schedule: Route) -> tuple[Node, ...]:
    """All nodes of a recipe whose anchors are chosen: ``route.1``, taught by the first candidate,
    then ``route.choice.1``, which the next stage and the next choice follow, or the student, once
    the finished teacher is chosen. Of several repeats the first one decides for all."""
    teacher, trained = _followed(stages.maker, schedule, stages.refs)
    candidates = schedule.candidate_epochs(trained)
    greedy = _Greedy(stages, teacher, candidates, schedule.threshold)
    whole = greedy.along(dict.fromkeys((candidates[0], trained)))
    if len(candidates) == 1:
        return tuple(whole)
    before = [stage for stage in whole if stage.role in (StageRole.TEACHER, StageRole.ROUTE)]
    controls = [stage for stage in whole if stage.role is StageRole.CONTROL]
    return (*before, greedy.choice(candidates[:1]), *controls)


@dataclass(frozen=True)
class _Greedy:
    """Chooses the anchors of ``teacher`` among the ``candidates``, epochs of which the last is the
    finished teacher: after each stage the farthest that is not too hard for the student.

    The next anchor is the last candidate up to which KL(anchor || student), the mean over the
    validation part, is at most ``threshold`` nats; at least one further than the last anchor. This
    is the greedy search of the paper (section 3) with a bound in nats.
    """

    stages: RecipeStages
    teacher: TeacherRef
    candidates: tuple[int, ...]
    threshold: float

    def along(self, epochs: Iterable[int]) -> list[Stage]:
        """All stages of a recipe with anchors after ``epochs``; the teacher leaves all that may be
        chosen."""
        anchors = [self._anchor(epoch) for epoch in epochs]
        whole = self.stages.whole(lambda repeat: _along(self.stages.maker, anchors, repeat))
        outputs = [self._anchor(epoch).output for epoch in self.candidates]
        return [
            stage.leaving(outputs) if stage.digest == self.teacher.stage else stage
            for stage in whole
        ]

    def choice(self, taken: tuple[int, ...]) -> Choice:
        """The choice of the anchor that follows ``taken``."""
        options = {str(epoch): epoch for epoch in self.candidates if epoch > taken[-1]}
        known = self.along((*taken, self.candidates[-1]))
        last = next(stage for stage in known if stage.name == f"route.{len(taken)}")

        def decide(evidence: Evidence) -> Decision:
            student = StageOutput(last.digest)
            found = {
                label: evidence.divergence(self._anchor(epoch), student)
                for label, epoch in options.items()
            }
            return _farthest(found, self.threshold)

        return Choice(
            name=f"{CHOICE}.{len(taken)}",
            question={
                "rule": _RULE,
                "threshold": self.threshold,
                "candidates": list(options.values()),
            },
            needs=(self.teacher.stage, last.digest),
            decide=decide,
            grow=lambda label: self._grow((*taken, options[label])),
            options=tuple(options),
            follows=tuple(stage.title for stage in known if stage.role is StageRole.STUDENT),
        )

    def _grow(self, taken: tuple[int, ...]) -> tuple[Node, ...]:
        """What follows from the last of ``taken``, for all repeats."""
        if taken[-1] == self.candidates[-1]:
            return tuple(each for each in self.along(taken) if each.role is StageRole.STUDENT)
        known = self.along((*taken, self.candidates[-1]))
        new = (stage for stage in known if stage.name == f"route.{len(taken)}")
        return (*new, self.choice(taken))

    def _anchor(self, epoch: int) -> TeacherRef:
        return _anchor_after(self.teacher, epoch, self.candidates[-1])


def _farthest(found: Mapping[str, float], threshold: float) -> Decision:
    """The decision by the divergences in nats of the candidates, in the order of their epochs."""
    within = list(takewhile(lambda label: found[label] <= threshold, found))
    chosen = within[-1] if within else next(iter(found))
    if within:
        reason = (
            f"the student's divergence from it is {found[chosen]:.3g} nats, and up to it never "
            f"above {threshold:g}"
        )
    else:
        reason = (
            f"it is the next one, though the student's divergence from it ({found[chosen]:.3g} "
            f"nats) is above {threshold:g}"
        )
    return Decision(chosen, reason, {"divergence": dict(found), "threshold": threshold})
