"""Notes on a valid recipe: what its author should consider, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.config import Recipe
from orchestrator.recipe.message_text import listed
from orchestrator.recipe.rules.training import objectives
from orchestrator.recipe.unusual_numbers import unusual_numbers
from orchestrator.schedule_config import Route
from students.objectives.term import learns_from_teachers
from students.transfer_sets.config import ImageFolder
from teachers.config import TeacherConfig


def notes(recipe: Recipe, classes: int | None = None) -> tuple[str, ...]:
    """All notes; those on teachers only where they teach. ``classes`` is their number where only
    the data show it."""
    classes = classes or recipe.transfer_set.class_count
    found = [
        *_test_folder(recipe),
        *_own_model(recipe),
        *_one_candidate(recipe),
        *_beside_the_route(recipe),
        *_without_gradient(recipe, classes),
        *_search(recipe),
        *unusual_numbers(recipe),
        *_weight_schedules(recipe),
    ]
    if recipe.uses_teachers:
        for notes_on in (_label_smoothing, _correctness, _unlabelled, _noise):
            found += notes_on(recipe)
    return tuple(found)


def all_have_seen(recipe: Recipe) -> bool:
    """Whether every teacher was trained on all samples that the student is trained on."""
    return bool(recipe.teachers) and all(
        _has_seen(teacher, recipe.transfer_set.fraction) for teacher in recipe.teachers.values()
    )


def _has_seen(teacher: TeacherConfig, fraction: float) -> bool:
    if teacher.classes is not None:
        return False  # Perhaps trained on these classes only.
    # Of two fractions the smaller is part of the larger.
    return teacher.seen == "train" if teacher.train is None else teacher.train.fraction >= fraction


def _test_folder(recipe: Recipe) -> Iterator[str]:
    data = recipe.transfer_set
    if isinstance(data, ImageFolder) and data.test_folder != ImageFolder().test_folder:
        yield (
            f"`transfer_set.test_folder` is '{data.test_folder}': its pictures are the test part, "
            "on which nothing is chosen; the validation part is taken from "
            f"'{data.train_folder}'."
        )


def _search(recipe: Recipe) -> Iterator[str]:
    if recipe.search is None:
        return
    yield (
        "`search` is what `stillhouse search` explores; `stillhouse run` takes the recipe's own "
        "values."
    )
    for name, direction in recipe.search.scores.items():
        if direction != ("maximize" if name == "accuracy" else "minimize"):
            yield (
                f"`search.scores.{name}` is '{direction}': the study looks for the worst students "
                "by it."
            )


def _own_model(recipe: Recipe) -> Iterator[str]:
    for place, entry in recipe.schedule.entries.items():
        if entry.model.identity == recipe.student.model.identity:
            yield (
                f"`{place}` is the student's own model; for generations of one model there is "
                "`schedule: born_again`."
            )


def _one_candidate(recipe: Recipe) -> Iterator[str]:
    if recipe.schedule.is_open and len(recipe.schedule.entries) == 1:
        yield (
            "`schedule.candidates` has one model, which is taken whatever its accuracy: as "
            "`schedule.path` it would be the same assistant."
        )


def _beside_the_route(recipe: Recipe) -> Iterator[str]:
    schedule = recipe.schedule
    if not isinstance(schedule, Route):
        return
    followed = schedule.teacher_of(recipe.teachers)
    if others := [name for name in recipe.teachers if name != followed]:
        verb = "is" if len(others) == 1 else "are"
        yield (
            f"The student follows the training of '{followed}' alone: {listed(others)} {verb} only "
            "in the ensemble's figures and the controls."
        )


def _without_gradient(recipe: Recipe, classes: int | None) -> Iterator[str]:
    trained = {place: owner.train for place, owner in (recipe.models | recipe.taught).items()}
    micro = {f"{place}.train": train.micro for place, train in trained.items() if train}
    for place, terms, epochs, _ in objectives(recipe):
        for name, term in terms.items():
            samples = micro[epochs.rpartition(".")[0]]
            why = term.without_gradient(classes, samples) if term.active else ""
            if why:
                yield f"`{place}.{name}` {why}."


def _weight_schedules(recipe: Recipe) -> Iterator[str]:
    changing = [
        f"{place}.{name} {term.weight}"
        for place, terms, _, _ in objectives(recipe)
        for name, term in terms.items()
        if not isinstance(term.weight, (int, float))
    ]
    if changing:
        yield f"Weights that change, where the first epoch is 0: {'; '.join(changing)}."
    terms, epochs = recipe.student.objective.values(), recipe.student.train.epochs
    used = sum(learns_from_teachers(terms, epoch) for epoch in range(epochs))
    if 0 < used < epochs:
        yield (
            f"Teachers are used in {used} of the student's {epochs} epochs: in the others no term "
            "that needs them has a weight above 0."
        )


def _label_smoothing(recipe: Recipe) -> Iterator[str]:
    found = [
        f"{name} ({term.smoothing:g})"
        for name, teacher in recipe.teachers.items()
        if teacher.train is not None
        for term in teacher.train.objective.values()
        if term.smoothing > 0 and term.active
    ]
    if found:
        subject = f"Teacher {found[0]} is" if len(found) == 1 else f"Teachers {listed(found)} are"
        yield (
            f"{subject} trained with label smoothing: such teachers are better calibrated, but "
            "teach worse, because their answers show less of how similar the classes are "
            "(Mueller et al., 2019)."
        )


def _correctness(recipe: Recipe) -> Iterator[str]:
    rule = recipe.ensemble.weighting
    if rule.needs_labels and all_have_seen(recipe):
        yield (
            f"Rule {rule.kind} weighs teachers by whether they are correct, but all of them were "
            "trained on the student's samples and will be correct on nearly all: expect little "
            "effect."
        )


def _unlabelled(recipe: Recipe) -> Iterator[str]:
    objective = recipe.student.objective
    found = [name for name, term in objective.items() if term.active and term.skips_unlabelled]
    unlabelled = 1 - recipe.transfer_set.labelled
    if found and 0 < unlabelled < 1:
        subject = f"Term {found[0]} needs" if len(found) == 1 else f"Terms {listed(found)} need"
        yield (
            f"{subject} a sample's label, so {100 * unlabelled:.3g} % of the student's samples, "
            "which have none, contribute nothing to it; soft_targets would use all samples."
        )


def _noise(recipe: Recipe) -> Iterator[str]:
    noise = recipe.ensemble.noise
    if noise == "none":
        return
    virtual = f", for {noise.virtual} virtual teachers made from one" if noise.virtual > 1 else ""
    yield (
        f"Noise is added to the answers: the logits of {100 * noise.probability:g} % of the "
        f"samples are each multiplied by 1 + a draw of standard deviation {noise.sigma:g}, drawn "
        f"again for each teacher, epoch and sample{virtual}."
    )
    rule = recipe.ensemble.weighting
    if rule.reads_answers:
        yield f"The weights of rule {rule.kind} follow from the answers without noise."
    objective = recipe.student.objective
    shifted = [name for name, term in objective.items() if term.active and term.on_distributions]
    if shifted:
        yield (
            "On average such noise does not change terms on logits, but it shifts the mean "
            f"gradient of terms on distributions: {listed(shifted)}."
        )
