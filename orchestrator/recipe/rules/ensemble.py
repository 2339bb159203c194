"""Rules about how teachers agree: temperature, weighting, noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orchestrator.config import Recipe
from orchestrator.errors import Problem
from orchestrator.recipe.message_text import listed, suggest
from teachers.config import Adaptive, EnsembleConfig, Fixed, RandomChoice, Specialists, Uniform
from teachers.weighting.held_out import judged_without

_WEIGHTING = "ensemble.weighting"
_WEIGHTS = f"{_WEIGHTING}.weights"
_NOISE = "ensemble.noise"

_LAST_DIGITS = 1e-6
"""What weights may lack of a sum of one: six digits are enough to write thirds."""


def _nobody(recipe: Recipe) -> Iterator[Problem]:
    if not recipe.teachers and recipe.ensemble != EnsembleConfig():
        yield Problem(
            "ensemble",
            "`ensemble` has no effect, since `teachers` is empty; take it out or add a teacher",
        )


def _temperature(recipe: Recipe) -> Iterator[Problem]:
    terms, asked = recipe.student.objective.values(), recipe.ensemble.temperature
    if not recipe.teachers or asked == EnsembleConfig().temperature:
        return
    if not any(term.softens for term in terms):
        yield Problem(
            "ensemble.temperature",
            f"`ensemble.temperature` is {asked:g}, but no term of `student.objective` softens; "
            "take it out or add soft_targets",
        )


def _rule(recipe: Recipe) -> Iterator[Problem]:
    """Whether the rule has what it needs, and anything to decide."""
    rule = recipe.ensemble.weighting
    if not recipe.teachers or isinstance(rule, Uniform):
        return
    said = f"`{_WEIGHTING}` is {rule.kind}"
    if len(recipe.teachers) == 1 and isinstance(rule, Adaptive):
        yield Problem(
            _WEIGHTING,
            f"{said}, whose gate weighs teachers against each other, but `teachers` has one alone; "
            "add a teacher, or say uniform",
        )
    elif len(recipe.teachers) == 1 and not isinstance(rule, Specialists):
        yield Problem(
            _WEIGHTING,
            f"{said}, but `teachers` has one alone, so it has no effect; add a teacher, or say "
            "uniform",
        )
    elif judged_without(rule) and not _combined(recipe):
        yield Problem(
            _WEIGHTING,
            f"{said}, but no term of `student.objective` learns from what the teachers say "
            "together, so it has no effect; say uniform, or add soft_targets",
        )
    if rule.labelled and recipe.transfer_set.labelled == 0:
        yield Problem(
            _WEIGHTING,
            f"{said}, which looks at labels, but `transfer_set.labelled` is 0; choose another "
            "rule, or give labels",
        )


def _combined(recipe: Recipe) -> bool:
    """Whether a term learns from all teachers' logits: one that looks at a layer of each does
    not ask for them."""
    terms = recipe.student.objective.values()
    return any(term.needs_teachers and term.active and not term.hint_layers() for term in terms)


def _weights(recipe: Recipe) -> Iterator[Problem]:
    rule = recipe.ensemble.weighting
    if not recipe.teachers or not isinstance(rule, (Fixed, RandomChoice)) or rule.weights is None:
        return
    found = list(_names(rule.weights, recipe))
    yield from found
    total = sum(rule.weights.values())
    # Rounded, since 3 times 0.333333 is by a last bit further from one than it should be.
    if not found and round(abs(total - 1), 12) > _LAST_DIGITS:
        yield Problem(_WEIGHTS, f"`{_WEIGHTS}` sum to {total:.7g}; make them sum to 1")


def _names(weights: Mapping[str, float], recipe: Recipe) -> Iterator[Problem]:
    for name in weights:
        if name not in recipe.teachers:
            yield Problem(
                f"{_WEIGHTS}.{name}",
                f"`{_WEIGHTS}.{name}` weighs a teacher that `teachers` does not have; "
                f"{suggest(name, recipe.teachers)}",
            )
    missing = [name for name in recipe.teachers if name not in weights]
    if missing:
        yield Problem(
            _WEIGHTS,
            f"`{_WEIGHTS}` has no weight for {listed(missing)} of `teachers`; give each one "
            "(0 leaves a teacher out)",
        )


def _noise(recipe: Recipe) -> Iterator[Problem]:
    noise = recipe.ensemble.noise
    if not recipe.teachers or noise == "none":
        return
    for name in ("probability", "sigma"):
        if getattr(noise, name) == 0:
            yield Problem(
                f"{_NOISE}.{name}",
                f"`{_NOISE}.{name}` is 0, so there would be no noise; raise it, or write "
                f"`{_NOISE}` none",
            )
    if noise.virtual > 1 and len(recipe.teachers) > 1:
        yield Problem(
            f"{_NOISE}.virtual",
            f"`{_NOISE}.virtual` is {noise.virtual}, which makes so many teachers of one alone, "
            f"but `teachers` has {len(recipe.teachers)}; take it out, or leave one teacher",
        )
    if not _combined(recipe):
        yield Problem(
            _NOISE,
            f"`{_NOISE}` is on what teachers say together, but no term of `student.objective` "
            "learns from that, so it has no effect; write none, or add soft_targets",
        )


ensemble_rules = (_nobody, _temperature, _rule, _weights, _noise)
