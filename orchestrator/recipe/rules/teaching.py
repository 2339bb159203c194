"""Rules about who teaches whom: teachers, objective, controls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orchestrator.config import Recipe
from orchestrator.errors import Problem
from orchestrator.recipe.message_text import listed, suggest
from orchestrator.recipe.rules.weight_schedules import silent_epochs
from students.config import TrainConfig
from students.objectives.config import restricted_to
from students.objectives.term import Term

_OBJECTIVE = "student.objective"


def _someone_teaches(recipe: Recipe) -> Iterator[Problem]:
    if not recipe.teachers and recipe.transfer_set.labelled == 0:
        yield Problem(
            "teachers",
            "`teachers` is empty and `transfer_set.labelled` is 0, so nothing is left to learn "
            "from; add a teacher or give labels",
        )


def _terms(recipe: Recipe) -> Iterator[Problem]:
    terms = recipe.student.objective
    yield from _weighed(_OBJECTIVE, terms)
    for name, term in terms.items():
        place = f"{_OBJECTIVE}.{name}"
        if (
            term.needs_labels
            and term.active
            and recipe.teachers
            and recipe.transfer_set.labelled == 0
        ):
            yield Problem(
                place,
                f"`{place}` learns from labels, but `transfer_set.labelled` is 0; take the term "
                f"out or give labels",
            )
        if term.needs_teachers and not recipe.teachers:
            yield Problem(
                place,
                f"`{place}` is of kind '{term.kind}', which needs a teacher, but `teachers` is "
                f"empty; add a teacher or take the term out",
            )
        elif term.needs_teachers:
            yield from _hinting(place, term, recipe)
        if term.active:
            yield from _comparing(place, term, recipe.student.train)


def _comparing(place: str, term: Term, train: TrainConfig) -> Iterator[Problem]:
    """Whether a micro-batch has the samples that a term compares."""
    if train.micro >= term.min_samples:
        return
    name = "batch_size" if train.micro_batch_size is None else "micro_batch_size"
    yield Problem(
        place,
        f"`{place}` is of kind '{term.kind}', which compares {term.min_samples} samples, but "
        f"`student.train.{name}` is {train.micro}; make it {term.min_samples} or more",
    )


def _hinting(place: str, term: Term, recipe: Recipe) -> Iterator[Problem]:
    """Whether the teachers are there whose layers a term asks for."""
    for inside, hint in term.hint_layers():
        if hint.teacher in recipe.teachers:
            continue
        nearest = suggest(hint.teacher, recipe.teachers)
        if inside == f"layers.{hint.teacher}":
            yield Problem(
                f"{place}.{inside}",
                f"`{place}.{inside}` gives a layer of a teacher that `teachers` does not have; "
                f"{nearest}",
            )
            continue
        where = f"{place}.{inside.removesuffix('hint')}teacher"
        yield Problem(
            where, f"`{where}` is '{hint.teacher}', which is none of `teachers`; {nearest}"
        )


def _weighed(place: str, terms: Mapping[str, Term]) -> Iterator[Problem]:
    if not terms:
        yield Problem(place, f"`{place}` is empty; give it a term, such as task: {{weight: 1.0}}")
    elif not any(term.active for term in terms.values()):
        yield Problem(
            place,
            f"`{place}` has weight 0 for {listed(terms)}, so nothing would be learnt; give a "
            f"term a weight above 0",
        )


def _teachers_terms(recipe: Recipe) -> Iterator[Problem]:
    for name, teacher in recipe.teachers.items():
        if teacher.train is None:
            continue
        place = f"teachers.{name}.train.objective"
        yield from _weighed(place, teacher.train.objective)
        for word, term in teacher.train.objective.items():
            if term.needs_teachers:
                yield Problem(
                    f"{place}.{word}",
                    f"`{place}.{word}` is of kind '{term.kind}', which needs a teacher, but a "
                    f"teacher is trained by labels alone; take the term out",
                )


def _teachers_without_effect(recipe: Recipe) -> Iterator[Problem]:
    for name, teacher in recipe.teachers.items():
        place = f"teachers.{name}"
        if teacher.train is not None and teacher.seen != "train":
            yield Problem(
                f"{place}.seen",
                f"`{place}.seen` is '{teacher.seen}', but a teacher with `{place}.train` sees "
                f"the training samples; take it out",
            )
        if teacher.train is None and teacher.engine != type(teacher.engine)():
            yield Problem(
                f"{place}.engine",
                f"`{place}.engine` has no effect, since `{place}.weights` are loaded and nothing "
                f"is trained; take it out",
            )


def _controls(recipe: Recipe) -> Iterator[Problem]:
    asked, labelled = recipe.controls, recipe.transfer_set.labelled
    explicit = "controls" in recipe.model_fields_set
    if labelled == 0 and recipe.teachers:
        for name in ("untaught", "label_smoothing"):
            if name in asked:
                yield Problem(
                    "controls",
                    f"`controls` has '{name}', which learns from labels, but "
                    f"`transfer_set.labelled` is 0; write controls: "
                    f"[{', '.join(each for each in asked if each == 'single_teachers')}]",
                )
    if not recipe.teachers and explicit:
        for name in ("untaught", "single_teachers"):
            if name in asked:
                yield Problem(
                    "controls",
                    f"`controls` has '{name}', which is compared with a taught student, but "
                    f"`teachers` is empty; take it out or add a teacher",
                )
    if "single_teachers" in asked and len(recipe.teachers) > 1:
        yield from _alone(recipe)
    if "single_teachers" in asked and len(recipe.teachers) == 1:
        yield Problem(
            "controls",
            "`controls` has 'single_teachers', but `teachers` has one alone, so it would be the "
            "student again; take it out or add a teacher",
        )


def _alone(recipe: Recipe) -> Iterator[Problem]:
    """Whether each teacher has something left to teach alone, in every epoch."""
    terms, epochs = recipe.student.objective, recipe.student.train.epochs
    if not any(term.needs_teachers and term.active for term in terms.values()):
        return
    for name in recipe.teachers:
        left = restricted_to(terms, name)
        if not any(term.needs_teachers and term.active for term in left.values()) or silent_epochs(
            left, epochs
        ) != silent_epochs(terms, epochs):
            yield Problem(
                "controls",
                f"`controls` has 'single_teachers', but without the terms that ask for layers of "
                f"other teachers `{_OBJECTIVE}` teaches nothing by '{name}'; take it out, or add "
                "soft_targets",
            )


teaching_rules = (
    _someone_teaches,
    _terms,
    _teachers_terms,
    _teachers_without_effect,
    _controls,
)
