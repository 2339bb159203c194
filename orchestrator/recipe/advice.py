"""What a recipe's author should know of it though nothing is wrong: sentences, no problems."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.config import Recipe
from orchestrator.recipe.message_text import listed
from orchestrator.recipe.weights_told import scheduled
from students.objectives.decoupled import Decoupled
from students.objectives.hard_targets import HardTargets
from students.objectives.probability_l2 import ProbabilityL2
from students.objectives.task import Task
from students.objectives.term import SofteningTerm
from teachers.config import Confidence, CorrectOnly, TeacherConfig

_OF_DISTRIBUTIONS = (SofteningTerm, ProbabilityL2, HardTargets)


def remarks(recipe: Recipe) -> tuple[str, ...]:
    """All that there is to remark; of teachers only where they teach."""
    weights = tuple(scheduled(recipe))
    if not any(term.needs_teachers and term.active for term in recipe.student.objective.values()):
        return weights
    return (
        *weights,
        *_smoothed(recipe),
        *_by_correctness(recipe),
        *_unlabelled(recipe),
        *_noise(recipe),
    )


def all_have_seen(recipe: Recipe) -> bool:
    """Whether every teacher has seen all samples that the student learns from."""
    return bool(recipe.teachers) and all(
        _has_seen(teacher, recipe.transfer_set.fraction) for teacher in recipe.teachers.values()
    )


def _has_seen(teacher: TeacherConfig, fraction: float) -> bool:
    if teacher.classes is not None:
        return False  # Of some classes alone, perhaps.
    # Of two fractions the smaller is part of the larger.
    return teacher.seen == "train" if teacher.train is None else teacher.train.fraction >= fraction


def _smoothed(recipe: Recipe) -> Iterator[str]:
    found = [
        f"{name} ({term.label_smoothing:g})"
        for name, teacher in recipe.teachers.items()
        if teacher.train is not None
        for term in teacher.train.objective.values()
        if isinstance(term, Task) and term.label_smoothing > 0 and term.active
    ]
    if found:
        who = f"Teacher {found[0]} is" if len(found) == 1 else f"Teachers {listed(found)} are"
        yield (
            f"{who} trained with label smoothing: such teachers are better calibrated, but teach "
            "worse, for less of how classes resemble each other is left in their answers "
            "(Mueller et al., 2019)."
        )


def _by_correctness(recipe: Recipe) -> Iterator[str]:
    rule = recipe.ensemble.weighting
    if isinstance(rule, (CorrectOnly, Confidence)) and all_have_seen(recipe):
        yield (
            f"Rule {rule.kind} asks which teachers are right, but all of them have seen the "
            "student's samples and will be right on nearly all: expect little of it."
        )


def _unlabelled(recipe: Recipe) -> Iterator[str]:
    found = [
        name
        for name, term in recipe.student.objective.items()
        if term.active and isinstance(term, Decoupled)
    ]
    bare = 1 - recipe.transfer_set.labelled
    if found and 0 < bare < 1:
        who = f"Term {found[0]} compares" if len(found) == 1 else f"Terms {listed(found)} compare"
        yield (
            f"{who} the label's class with the others, so nothing of {100 * bare:.3g} % of the "
            "student's samples, which have no label; soft_targets would teach by all."
        )


def _noise(recipe: Recipe) -> Iterator[str]:
    noise = recipe.ensemble.noise
    if noise == "none":
        return
    made = f", as {noise.virtual} teachers made of one" if noise.virtual > 1 else ""
    yield (
        f"Noise is on the answers: the logits of {100 * noise.probability:g} % of the samples, "
        f"each times 1 + a draw of standard deviation {noise.sigma:g}; drawn anew for each "
        f"teacher, epoch and sample{made}."
    )
    shifted = [
        name
        for name, term in recipe.student.objective.items()
        if term.active and isinstance(term, _OF_DISTRIBUTIONS)
    ]
    if shifted:
        yield (
            "On average such noise changes nothing for terms on logits, but it shifts the mean "
            f"gradient of those on distributions: {listed(shifted)}."
        )
