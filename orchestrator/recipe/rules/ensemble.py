"""Rules about how teachers are combined: temperature, weighting, gating network, noise, bank."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.config import Recipe
from orchestrator.recipe.message_text import listed, suggest
from orchestrator.recipe.rules.training import taught
from teachers.config import BankConfig, EnsembleConfig
from teachers.weighting.adaptive import Adaptive
from teachers.weighting.constant import Fixed, Uniform
from teachers.weighting.random_choice import RandomChoice
from teachers.weighting.specialists import Specialists

_LAST_DIGITS = 1e-6
"""How far weights may be from a sum of one, so that thirds can be written with six digits."""


def _section(recipe: Recipe) -> Iterator[str]:
    ensemble = recipe.ensemble
    if not recipe.teachers and ensemble != EnsembleConfig():
        yield "`ensemble` has no effect, since `teachers` is empty; take it out or add a teacher"
    changed = recipe.teachers and ensemble.temperature != EnsembleConfig().temperature
    if changed and not any(term.softens for term in recipe.taught_terms):
        yield (
            f"`ensemble.temperature` is {ensemble.temperature:g}, but no term of "
            "`student.objective` softens; take it out or add soft_targets"
        )


def _weighting(recipe: Recipe) -> Iterator[str]:
    """Whether the rule has what it needs, and whether it has any effect."""
    rule = recipe.ensemble.weighting
    if not recipe.teachers or isinstance(rule, Uniform):
        return
    alone = len(recipe.teachers) == 1
    if alone and isinstance(rule, Adaptive):
        yield (
            "`ensemble.weighting` is adaptive, whose gating network weighs teachers against each "
            "other, but `teachers` has only one; add a teacher, or choose uniform"
        )
    elif alone and not isinstance(rule, Specialists):
        yield (
            f"`ensemble.weighting` is {rule.kind}, but `teachers` has only one, so it has no "
            "effect; add a teacher, or choose uniform"
        )
    elif rule.training_only and not _combined(recipe):
        yield (
            f"`ensemble.weighting` is {rule.kind}, but no term of `student.objective` uses the "
            "teachers' combined answer, so it has no effect; choose uniform, or add soft_targets"
        )
    if rule.needs_labels and recipe.transfer_set.labelled == 0:
        yield (
            f"`ensemble.weighting` is {rule.kind}, which needs labels, but "
            "`transfer_set.labelled` is 0; choose another rule, or give labels"
        )


def _combined(recipe: Recipe) -> bool:
    """Whether a term uses all teachers' logits; one that compares layers does not."""
    terms = (term for term in recipe.taught_terms if term.active)
    return any(term.needs_teachers and not term.hint_layers() for term in terms)


def _weights(recipe: Recipe) -> Iterator[str]:
    rule, teachers = recipe.ensemble.weighting, recipe.teachers
    if not teachers or not isinstance(rule, (Fixed, RandomChoice)) or rule.weights is None:
        return
    unknown = [name for name in rule.weights if name not in teachers]
    missing = [name for name in teachers if name not in rule.weights]
    for name in unknown:
        yield (
            f"`ensemble.weighting.weights.{name}` is the weight of a teacher that `teachers` does "
            f"not have; {suggest(name, teachers)}"
        )
    if missing:
        yield (
            f"`ensemble.weighting.weights` has no weight for {listed(missing)} of `teachers`; give "
            "each one (0 leaves a teacher out)"
        )
    total = sum(rule.weights.values())
    # Rounded, since 3 times 0.333333 is a last bit further from one than it should be.
    if not unknown and not missing and round(abs(total - 1), 12) > _LAST_DIGITS:
        yield f"`ensemble.weighting.weights` sum to {total:.7g}; make them sum to 1"


def _noise(recipe: Recipe) -> Iterator[str]:
    noise = recipe.ensemble.noise
    if not recipe.teachers or noise == "none":
        return
    for name in ("probability", "sigma"):
        if getattr(noise, name) == 0:
            yield (
                f"`ensemble.noise.{name}` is 0, which adds no noise; raise it, or write "
                "`ensemble.noise` none"
            )
    if noise.virtual > 1 and len(recipe.teachers) > 1:
        yield (
            f"`ensemble.noise.virtual` is {noise.virtual}, which makes several teachers from a "
            f"single one, but `teachers` has {len(recipe.teachers)}; take it out, or leave only "
            "one teacher"
        )
    if not _combined(recipe):
        yield (
            "`ensemble.noise` changes the teachers' combined answer, which no term of "
            "`student.objective` uses, so it has no effect; write none, or add soft_targets"
        )


def _gate(recipe: Recipe) -> Iterator[str]:
    weighting, student = recipe.ensemble.weighting, recipe.student
    if not isinstance(weighting, Adaptive):
        return
    for place, config in recipe.taught.items():
        if place not in recipe.models:
            continue
        if weighting.layer is None and config.model.feature_layer is None:
            yield (
                f"`ensemble.weighting.layer` is not set, and for `{place}.model` of kind "
                f"'{config.model.kind}' the last layer before the outputs is not known; name a "
                "layer of it"
            )
    epochs = student.train.epochs
    if weighting.learns_for is not None and weighting.learns_for >= epochs:
        yield (
            f"`ensemble.weighting.learns_for` is {weighting.learns_for}, but "
            f"`student.train.epochs` is {epochs}, so it has no effect; lower it or take it out"
        )


def _bank(recipe: Recipe) -> Iterator[str]:
    bank = recipe.ensemble.bank
    # Without teachers, the whole section ``ensemble`` is a problem already.
    if not recipe.teachers or bank == BankConfig():
        return
    if not recipe.uses_teachers:
        yield (
            "`ensemble.bank` has no effect, since no term of `student.objective` uses a teacher; "
            "take it out or add soft_targets"
        )
    elif bank != "none" and bank.taps and not _reads_layers(recipe):
        yield (
            "`ensemble.bank.taps` has no effect, since no term of `student.objective` uses a "
            "teacher's layer; take it out or add a hint"
        )


def _reads_layers(recipe: Recipe) -> bool:
    return any(term.active and term.hint_layers() for term in recipe.taught_terms)


def _top_k(recipe: Recipe) -> Iterator[str]:
    top_k, classes = recipe.ensemble.top_k, recipe.transfer_set.class_count
    if top_k is None:
        return
    for place, config in taught(recipe):
        for name, term in config.objective.items():
            if term.needs_all_logits and term.active:
                yield (
                    f"`ensemble.bank.top_k` is {top_k}, so only the mean of the other logits is "
                    f"kept, but `{place}.objective.{name}` of kind '{term.kind}' needs each of "
                    "them; take one of them out"
                )
    if classes is not None and top_k >= classes:
        yield beyond_classes(top_k, classes)


def beyond_classes(top_k: int, classes: int) -> str:
    """The problem of a ``top_k`` that leaves nothing out."""
    return (
        f"`ensemble.bank.top_k` is {top_k}, but there are only {classes} classes; lower it, or "
        "write none to keep all logits"
    )


ensemble_rules = (_section, _weighting, _weights, _noise, _gate, _bank, _top_k)
