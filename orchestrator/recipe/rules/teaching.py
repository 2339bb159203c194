"""Rules about teaching: teachers, the terms of the objective, controls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orchestrator.config import Recipe
from orchestrator.errors import Finding
from orchestrator.recipe.message_text import listed, suggest
from orchestrator.recipe.rules.weight_schedules import inactive_epochs
from students.config import TrainConfig
from students.objectives.config import restricted_to
from students.objectives.term import Term

_OBJECTIVE = "student.objective"

_OUTPUTS = ("logits", "gate", "gate.penalty")
"""Outputs of a student in training, as in ``students.training.learner``, which needs torch."""


def _nothing_to_learn_from(recipe: Recipe) -> Iterator[Finding]:
    if not recipe.teachers and recipe.transfer_set.labelled == 0:
        yield (
            "teachers",
            "is empty and `transfer_set.labelled` is 0, so nothing is left to learn from; add a "
            "teacher or give labels",
        )


def _terms(recipe: Recipe) -> Iterator[Finding]:
    terms = recipe.student.objective
    unlabelled = recipe.teachers and recipe.transfer_set.labelled == 0
    yield from _weights(_OBJECTIVE, terms)
    for name, term in terms.items():
        place = f"{_OBJECTIVE}.{name}"
        if unlabelled and term.needs_labels and term.active:
            yield (
                place,
                "learns from labels, but `transfer_set.labelled` is 0; take the term out or give "
                "labels",
            )
        if term.needs_teachers and not recipe.teachers:
            yield (
                place,
                f"is of kind '{term.kind}', which needs a teacher, but `teachers` is empty; add a "
                "teacher or take the term out",
            )
        elif term.needs_teachers:
            yield from _hints(place, term, recipe)
        if term.active:
            yield from _batch_sizes(place, term, recipe.student.train)


def _batch_sizes(place: str, term: Term, train: TrainConfig) -> Iterator[Finding]:
    """Whether a micro-batch has the samples that a term compares."""
    if train.micro >= term.min_samples:
        return
    name = "batch_size" if train.micro_batch_size is None else "micro_batch_size"
    yield (
        place,
        f"is of kind '{term.kind}', which compares {term.min_samples} samples, but "
        f"`student.train.{name}` is {train.micro}; make it {term.min_samples} or more",
    )


def _hints(place: str, term: Term, recipe: Recipe) -> Iterator[Finding]:
    """Whether the teachers exist whose layers a term uses."""
    for inside, hint in term.hint_layers():
        if hint.teacher in recipe.teachers:
            continue
        nearest = suggest(hint.teacher, recipe.teachers)
        if inside == f"layers.{hint.teacher}":
            yield (
                f"{place}.{inside}",
                f"gives a layer of a teacher that `teachers` does not have; {nearest}",
            )
            continue
        where = f"{place}.{inside.removesuffix('hint')}teacher"
        yield where, f"is '{hint.teacher}', which is not one of `teachers`; {nearest}"


def _weights(place: str, terms: Mapping[str, Term]) -> Iterator[Finding]:
    if not terms:
        yield place, "is empty; give it a term, such as task: {weight: 1.0}"
    elif not any(term.active for term in terms.values()):
        yield (
            place,
            f"has weight 0 for {listed(terms)}, so nothing would be learned; give a term a weight "
            "above 0",
        )


def _teachers_terms(recipe: Recipe) -> Iterator[Finding]:
    for name, teacher in recipe.teachers.items():
        if teacher.train is None:
            continue
        place = f"teachers.{name}.train.objective"
        yield from _weights(place, teacher.train.objective)
        for word, term in teacher.train.objective.items():
            if term.needs_teachers:
                yield (
                    f"{place}.{word}",
                    f"is of kind '{term.kind}', which needs a teacher, but a teacher is trained "
                    "by labels alone; take the term out",
                )


def _teachers_without_effect(recipe: Recipe) -> Iterator[Finding]:
    for name, teacher in recipe.teachers.items():
        place = f"teachers.{name}"
        if teacher.train is not None and teacher.seen != "train":
            yield (
                f"{place}.seen",
                f"is '{teacher.seen}', but a teacher with `{place}.train` sees the training "
                "samples; take it out",
            )
        if teacher.train is None and teacher.engine != type(teacher.engine)():
            yield (
                f"{place}.engine",
                f"has no effect, since `{place}.weights` are loaded and nothing is trained; take "
                "it out",
            )


def _controls(recipe: Recipe) -> Iterator[Finding]:
    controls, labelled = recipe.controls, recipe.transfer_set.labelled
    explicit = "controls" in recipe.model_fields_set
    if labelled == 0 and recipe.teachers:
        for name in ("untaught", "label_smoothing"):
            if name in controls:
                yield (
                    "controls",
                    f"has '{name}', which learns from labels, but `transfer_set.labelled` is 0; "
                    "write controls: "
                    f"[{', '.join(each for each in controls if each == 'single_teachers')}]",
                )
    if not recipe.teachers and explicit:
        for name in ("untaught", "single_teachers"):
            if name in controls:
                yield (
                    "controls",
                    f"has '{name}', which is compared with a taught student, but `teachers` is "
                    "empty; take it out or add a teacher",
                )
    if "single_teachers" in controls and len(recipe.teachers) > 1:
        yield from _alone(recipe)
    if "single_teachers" in controls and len(recipe.teachers) == 1:
        yield (
            "controls",
            "has 'single_teachers', but `teachers` has only one, so it would be the same student "
            "again; take it out or add a teacher",
        )


def _alone(recipe: Recipe) -> Iterator[Finding]:
    """Whether the objective has active terms for each teacher alone, in every epoch."""
    terms, epochs = recipe.student.objective, recipe.student.train.epochs
    if not any(term.needs_teachers and term.active for term in terms.values()):
        return
    for name in recipe.teachers:
        left = restricted_to(terms, name)
        taught = any(term.needs_teachers and term.active for term in left.values())
        if not taught or inactive_epochs(left, epochs) != inactive_epochs(terms, epochs):
            yield (
                "controls",
                "has 'single_teachers', but without the terms on layers of other teachers "
                f"`{_OBJECTIVE}` uses nothing of '{name}'; take it out, or add soft_targets",
            )


def _layer_names(recipe: Recipe) -> Iterator[Finding]:
    readers: dict[str, str] = {}
    for name, term in recipe.student.objective.items():
        place = f"{_OBJECTIVE}.{name}"
        if name in _OUTPUTS and term.guided_layers(name):
            yield (
                place,
                f"reads a layer under the name '{name}', which the student in training uses "
                "itself; rename the term",
            )
        for output in term.guided_layers(name):
            other = readers.setdefault(output, name)
            if other != name:
                yield (
                    place,
                    f"reads a layer under the name '{output}', as `student.objective.{other}` "
                    "does; rename one of the terms",
                )


teaching_rules = (
    _nothing_to_learn_from,
    _terms,
    _teachers_terms,
    _teachers_without_effect,
    _controls,
    _layer_names,
)
