"""Rules about teaching: teachers, the terms of the objective, controls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orchestrator.config import Recipe
from orchestrator.recipe.message_text import suggest
from orchestrator.recipe.rules.training import inactive_epochs, taught
from orchestrator.schedule_config import BornAgain, Route
from students.config import EngineConfig
from students.objectives.config import restricted_to
from students.objectives.term import Term, needs_teachers

_OUTPUTS = ("logits", "gate", "gate.penalty")
"""Outputs of a student in training, as in ``students.training.learner``, which needs torch."""

_BY_TEACHERS = ("single_teachers", "direct")
"""Controls that teachers teach, by the student's own terms."""


def _nothing_to_learn_from(recipe: Recipe) -> Iterator[str]:
    if not recipe.teachers and recipe.transfer_set.labelled == 0:
        yield (
            "`teachers` is empty and `transfer_set.labelled` is 0, so nothing is left to learn "
            "from; add a teacher or give labels"
        )


def _terms(recipe: Recipe) -> Iterator[str]:
    places, schedule = list(recipe.taught), recipe.schedule
    for place, config in taught(recipe):
        before = schedule.names[: None if place == "student" else places.index(place)]
        # No model before teaches, or which one is the assistant is not known, nor its layers.
        before = () if schedule.is_open or schedule.taught_by == "teachers" else before
        for name, term in config.objective.items():
            yield from _term(recipe, f"{place}.objective.{name}", term, (*recipe.teachers, *before))
            if term.active and config.train.micro < term.min_samples:
                size = "batch" if config.train.micro_batch_size is None else "micro_batch"
                yield (
                    f"`{place}.objective.{name}` is of kind '{term.kind}', which compares "
                    f"{term.min_samples} samples, but `{place}.train.{size}_size` is "
                    f"{config.train.micro}; make it {term.min_samples} or more"
                )


def _term(recipe: Recipe, place: str, term: Term, teachers: tuple[str, ...]) -> Iterator[str]:
    """Whether there is what a term learns from; ``teachers`` are those that there are by then."""
    unlabelled = recipe.teachers and recipe.transfer_set.labelled == 0
    if unlabelled and term.needs_labels and term.active:
        yield (
            f"`{place}` learns from labels, but `transfer_set.labelled` is 0; take the term "
            "out or give labels"
        )
    if term.needs_teachers and not recipe.teachers:
        yield (
            f"`{place}` is of kind '{term.kind}', which needs a teacher, but `teachers` is "
            "empty; add a teacher or take the term out"
        )
    elif term.needs_teachers:
        yield from _hints(place, term, teachers)


def _hints(place: str, term: Term, teachers: tuple[str, ...]) -> Iterator[str]:
    """Whether the teachers exist whose layers a term uses."""
    for inside, hint in term.hint_layers():
        if hint.teacher in teachers:
            continue
        nearest = suggest(hint.teacher, teachers)
        if inside == f"layers.{hint.teacher}":
            yield (
                f"`{place}.{inside}` gives a layer of a teacher that `teachers` does not have; "
                f"{nearest}"
            )
        else:
            where = f"{place}.{inside.removesuffix('hint')}teacher"
            yield f"`{where}` is '{hint.teacher}', which is not one of `teachers`; {nearest}"


def _teachers(recipe: Recipe) -> Iterator[str]:
    for name, teacher in recipe.teachers.items():
        place = f"teachers.{name}"
        if teacher.train is None:
            if teacher.engine != EngineConfig():
                yield (
                    f"`{place}.engine` has no effect, since `{place}.weights` are loaded and "
                    "nothing is trained; take it out"
                )
            continue
        if teacher.seen != "train":
            yield (
                f"`{place}.seen` is '{teacher.seen}', but a teacher with `{place}.train` sees the "
                "training samples; take it out"
            )
        for word, term in teacher.train.objective.items():
            if term.needs_teachers:
                yield (
                    f"`{place}.train.objective.{word}` is of kind '{term.kind}', which needs a "
                    "teacher, but a teacher is trained by labels alone; take the term out"
                )


def _controls(recipe: Recipe) -> Iterator[str]:
    controls, teachers = recipe.controls, recipe.teachers
    for name in controls:
        if teachers and recipe.transfer_set.labelled == 0 and name not in _BY_TEACHERS:
            left = ", ".join(each for each in controls if each in _BY_TEACHERS)
            yield (
                f"`controls` has '{name}', which learns from labels, but `transfer_set.labelled` "
                f"is 0; write controls: [{left}]"
            )
        explicit = "controls" in recipe.model_fields_set
        if not teachers and explicit and name != "label_smoothing":
            yield (
                f"`controls` has '{name}', which is compared with a taught student, but "
                "`teachers` is empty; take it out or add a teacher"
            )
    by_one = isinstance(recipe.schedule, Route) and len(teachers) > 1
    if "direct" in controls and not recipe.schedule.names and not by_one:
        yield (
            f"`controls` has 'direct', but `schedule` is '{recipe.schedule.kind}' without "
            "intermediate models, so the teachers teach the student directly; take it out"
        )
    if "single_teachers" in controls and len(teachers) == 1:
        yield (
            "`controls` has 'single_teachers', but `teachers` has only one, so it would be the "
            "same student again; take it out or add a teacher"
        )
    elif "single_teachers" in controls:
        yield from _alone(recipe)


def _alone(recipe: Recipe) -> Iterator[str]:
    """Whether the objective has active terms for each teacher alone, in every epoch."""
    terms, epochs = recipe.student.objective, recipe.student.train.epochs
    if not needs_teachers(terms):
        return
    for name in recipe.teachers:
        left = restricted_to(terms, name)
        gaps = inactive_epochs(left, epochs) != inactive_epochs(terms, epochs)
        if gaps or not needs_teachers(left):
            yield (
                "`controls` has 'single_teachers', but without the terms on layers of other "
                f"teachers `student.objective` uses nothing of '{name}'; take it out, or add "
                "soft_targets"
            )


def _schedule(recipe: Recipe) -> Iterator[str]:
    """Whether each model of a chain is taught something by those before it."""
    schedule = recipe.schedule
    if not schedule.names or schedule.taught_by == "teachers":
        return
    place = f"schedule.{'generations' if isinstance(schedule, BornAgain) else 'path'}"
    if not recipe.teachers:
        yield f"`{place}` has intermediate models, but `teachers` is empty; add a teacher"
    elif schedule.taught_by == "all":
        if getattr(recipe.ensemble.weighting, "weights", None):
            yield (
                "`ensemble.weighting.weights` are for `teachers`, but with `schedule.taught_by` "
                "all the models of the chain teach too; take uniform, or `taught_by: previous`"
            )
    else:
        before = [None, *schedule.names]
        if schedule.is_open:  # The teachers teach each candidate.
            before = [*[None] * len(schedule.entries), *schedule.names]
        same = isinstance(schedule, BornAgain)
        chain = [recipe.student] * len(before) if same else recipe.taught.values()
        for teacher, config in zip(before, chain, strict=True):
            terms = config.objective
            left = terms if teacher is None else restricted_to(terms, teacher)
            if not needs_teachers(left):
                yield (
                    f"`{place}` has intermediate models, but an objective uses nothing of "
                    f"'{teacher or 'the teachers'}' where that teaches alone; add soft_targets"
                )
                return


def _layer_names(recipe: Recipe) -> Iterator[str]:
    for place, config in taught(recipe):
        yield from _names_read(f"{place}.objective", config.objective)


def _names_read(section: str, objective: Mapping[str, Term]) -> Iterator[str]:
    """Whether the terms of one objective read their layers under names of their own."""
    readers: dict[str, str] = {}
    for name, term in objective.items():
        place = f"{section}.{name}"
        if name in _OUTPUTS and term.guided_layers(name):
            yield (
                f"`{place}` reads a layer under the name '{name}', which the student in training "
                "uses itself; rename the term"
            )
        for output in term.guided_layers(name):
            other = readers.setdefault(output, name)
            if other != name:
                yield (
                    f"`{place}` reads a layer under the name '{output}', as `{section}.{other}` "
                    "does; rename one of the terms"
                )


teaching_rules = (_nothing_to_learn_from, _terms, _teachers, _controls, _schedule, _layer_names)
