"""Rules about how teachers are combined: temperature, weighting, gating network, noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orchestrator.config import Recipe
from orchestrator.errors import Finding
from orchestrator.recipe.message_text import listed, suggest
from teachers.config import EnsembleConfig
from teachers.weighting.adaptive import Adaptive
from teachers.weighting.constant import Fixed, Uniform
from teachers.weighting.random_choice import RandomChoice
from teachers.weighting.specialists import Specialists

_WEIGHTING = "ensemble.weighting"
_WEIGHTS = f"{_WEIGHTING}.weights"
_NOISE = "ensemble.noise"

_LAST_DIGITS = 1e-6
"""How far weights may be from a sum of one, so that thirds can be written with six digits."""


def _no_teachers(recipe: Recipe) -> Iterator[Finding]:
    if not recipe.teachers and recipe.ensemble != EnsembleConfig():
        yield "ensemble", "has no effect, since `teachers` is empty; take it out or add a teacher"


def _temperature(recipe: Recipe) -> Iterator[Finding]:
    terms, temperature = recipe.student.objective.values(), recipe.ensemble.temperature
    if not recipe.teachers or temperature == EnsembleConfig().temperature:
        return
    if not any(term.softens for term in terms):
        yield (
            "ensemble.temperature",
            f"is {temperature:g}, but no term of `student.objective` softens; take it out or add "
            "soft_targets",
        )


def _rule(recipe: Recipe) -> Iterator[Finding]:
    """Whether the rule has what it needs, and whether it has any effect."""
    rule = recipe.ensemble.weighting
    if not recipe.teachers or isinstance(rule, Uniform):
        return
    alone = len(recipe.teachers) == 1
    if alone and isinstance(rule, Adaptive):
        yield (
            _WEIGHTING,
            "is adaptive, whose gating network weighs teachers against each other, but "
            "`teachers` has only one; add a teacher, or choose uniform",
        )
    elif alone and not isinstance(rule, Specialists):
        yield (
            _WEIGHTING,
            f"is {rule.kind}, but `teachers` has only one, so it has no effect; add a teacher, or "
            "choose uniform",
        )
    elif rule.training_only and not _combined(recipe):
        yield (
            _WEIGHTING,
            f"is {rule.kind}, but no term of `student.objective` uses the teachers' combined "
            "answer, so it has no effect; choose uniform, or add soft_targets",
        )
    if rule.needs_labels and recipe.transfer_set.labelled == 0:
        yield (
            _WEIGHTING,
            f"is {rule.kind}, which needs labels, but `transfer_set.labelled` is 0; choose "
            "another rule, or give labels",
        )


def _combined(recipe: Recipe) -> bool:
    """Whether a term uses all teachers' logits; one that compares layers does not."""
    terms = recipe.student.objective.values()
    return any(term.needs_teachers and term.active and not term.hint_layers() for term in terms)


def _weights(recipe: Recipe) -> Iterator[Finding]:
    rule = recipe.ensemble.weighting
    if not recipe.teachers or not isinstance(rule, (Fixed, RandomChoice)) or rule.weights is None:
        return
    found = list(_names(rule.weights, recipe))
    yield from found
    total = sum(rule.weights.values())
    # Rounded, since 3 times 0.333333 is a last bit further from one than it should be.
    if not found and round(abs(total - 1), 12) > _LAST_DIGITS:
        yield _WEIGHTS, f"sum to {total:.7g}; make them sum to 1"


def _names(weights: Mapping[str, float], recipe: Recipe) -> Iterator[Finding]:
    for name in weights:
        if name not in recipe.teachers:
            yield (
                f"{_WEIGHTS}.{name}",
                "is the weight of a teacher that `teachers` does not have; "
                f"{suggest(name, recipe.teachers)}",
            )
    missing = [name for name in recipe.teachers if name not in weights]
    if missing:
        yield (
            _WEIGHTS,
            f"has no weight for {listed(missing)} of `teachers`; give each one (0 leaves a "
            "teacher out)",
        )


def _noise(recipe: Recipe) -> Iterator[Finding]:
    noise = recipe.ensemble.noise
    if not recipe.teachers or noise == "none":
        return
    for name in ("probability", "sigma"):
        if getattr(noise, name) == 0:
            yield (
                f"{_NOISE}.{name}",
                f"is 0, which adds no noise; raise it, or write `{_NOISE}` none",
            )
    if noise.virtual > 1 and len(recipe.teachers) > 1:
        yield (
            f"{_NOISE}.virtual",
            f"is {noise.virtual}, which makes several teachers from a single one, but `teachers` "
            f"has {len(recipe.teachers)}; take it out, or leave only one teacher",
        )
    if not _combined(recipe):
        yield (
            _NOISE,
            "changes the teachers' combined answer, which no term of `student.objective` uses, "
            "so it has no effect; write none, or add soft_targets",
        )


def _gate_layer(recipe: Recipe) -> Iterator[Finding]:
    weighting, model = recipe.ensemble.weighting, recipe.student.model
    if not isinstance(weighting, Adaptive) or weighting.layer is not None:
        return
    if model.feature_layer is None:
        yield (
            f"{_WEIGHTING}.layer",
            f"is not set, and for `student.model` of kind '{model.kind}' the last layer before "
            "the outputs is not known; name a layer of it",
        )


def _gate_epochs(recipe: Recipe) -> Iterator[Finding]:
    weighting, epochs = recipe.ensemble.weighting, recipe.student.train.epochs
    if not isinstance(weighting, Adaptive) or weighting.learns_for is None:
        return
    if weighting.learns_for >= epochs:
        yield (
            f"{_WEIGHTING}.learns_for",
            f"is {weighting.learns_for}, but `student.train.epochs` is {epochs}, so it has no "
            "effect; lower it or take it out",
        )


ensemble_rules = (
    _no_teachers,
    _temperature,
    _rule,
    _weights,
    _noise,
    _gate_layer,
    _gate_epochs,
)
