"""Rules about the section ``search``: whether its parts fit each other and the recipe.

What the rules of other sections say about the ends of its ranges, ``planning/trials.py`` asks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain

from orchestrator.config import Recipe
from orchestrator.recipe.message_text import listed, suggest
from orchestrator.recipe.overrides import find_value
from search.config import LEARNED, BruteForce, Dominated, Grid, NoPruner, SearchConfig, Wilcoxon
from search.parameters import Choice, Complement, Number
from search.space import Space, is_conditional, numbers

_EXPLORED = ("teachers", "ensemble", "student", "schedule")
_OF_SAMPLES = ("augment", "views", "fraction", "labelled")
"""What trials may differ in, the latter of ``transfer_set``."""


def _search(recipe: Recipe) -> Iterator[str]:
    if recipe.search is None:
        return
    if recipe.transfer_set.validation == "none":
        yield (
            "`search.scores` are of the validation part, but `transfer_set.validation` is 'none'; "
            "give it a share"
        )
    space = recipe.search.parameters
    yield from chain(_unexplored(space), _complements(space), _nested(space))
    yield from chain(_sampler(recipe.search), _pruner(recipe.search), _limits(recipe.search))


def _unexplored(space: Space) -> Iterator[str]:
    """Students are compared on one validation part, with one seed, on one machine."""
    for path in space:
        section, _, rest = path.partition(".")
        if section not in Recipe.model_fields:
            continue
        if section in _EXPLORED and not path.endswith(".train.seed"):
            continue
        if section != "transfer_set" or rest.split(".")[0] not in _OF_SAMPLES:
            yield (
                f"`search.space.{path}` is nothing that trials may differ in, since they are "
                f"compared with all else equal; take it out (they may differ in "
                f"{listed(_EXPLORED)}, and in {listed(_OF_SAMPLES)} of transfer_set)"
            )


def _complements(space: Space) -> Iterator[str]:
    """A complement stands for one minus a number, which must be a share."""
    shares = [
        path
        for path, each in space.items()
        if isinstance(each, Number) and not each.whole and each.low >= 0 and each.high <= 1
    ]
    for path, each in space.items():
        if not isinstance(each, Complement) or each.path in shares:
            continue
        there = "draws none; give it such a range"
        if each.path not in space:
            there = f"is not there; {suggest(each.path, shares)}"
        yield (
            f"`search.space.{path}` is one minus a number from 0 to 1, but "
            f"`search.space.{each.path}` {there}"
        )


def _nested(space: Space) -> Iterator[str]:
    """A path inside another one would be drawn twice, or set where nothing is."""
    for path in space:
        for outer in space:
            if not path.startswith(f"{outer}."):
                continue
            place, parameter = path.removeprefix(f"{outer}."), space[outer]
            labels = parameter.labels if isinstance(parameter, Choice) else {}
            without = [label for label, each in labels.items() if find_value(each, place) is None]
            why = "which draws all of it"
            if without:
                values, lack = ("value", "does") if len(without) == 1 else ("values", "do")
                named = listed(f"`{each}`" for each in without)
                why = f"whose {values} {named} {lack} not give it"
            yield (
                f"`search.space.{path}` lies inside `search.space.{outer}`, {why}; write the "
                "parameter inside the values that have it"
            )


def _sampler(config: SearchConfig) -> Iterator[str]:
    if not isinstance(config.sampler, (Grid, BruteForce)):
        return
    kind, space = config.sampler.kind, config.parameters
    for name, number in numbers(space):
        if not number.whole and number.step is None:
            yield (
                f"`search.space.{name}` is a float without `step`, but `search.sampler` is "
                f"'{kind}', which takes every point; give it a step, or choose another sampler"
            )
    if isinstance(config.sampler, Grid) and is_conditional(space):
        path = next(path for path, each in space.items() if is_conditional({path: each}))
        yield (
            f"`search.space.{path}` has parts that are drawn only sometimes, which "
            "`search.sampler` 'grid' has no place for; choose 'brute_force'"
        )


def _pruner(config: SearchConfig) -> Iterator[str]:
    pruner = config.pruner
    if isinstance(pruner, NoPruner):
        return
    if not isinstance(pruner, Dominated) and len(config.scores) > 1:
        yield (
            f"`search.pruner` is '{pruner.kind}', which compares one score, but `search.scores` "
            f"has {len(config.scores)} ({listed(config.scores)}); choose 'dominated', or one score"
        )
    elif not set(config.scores) & set(LEARNED):
        yield (
            f"`search.pruner` is '{pruner.kind}', which has no effect, since `search.scores` "
            f"({listed(config.scores)}) do not change while a student is trained; take it out"
        )
    elif isinstance(pruner, Wilcoxon):
        yield from _seeds(pruner)


def _seeds(pruner: Wilcoxon) -> Iterator[str]:
    """A trial may be ended before its last seed."""
    last = pruner.seeds - 1
    if pruner.startup_seeds > last:
        yield (
            f"`search.pruner.startup_seeds` is {pruner.startup_seeds}, but a trial has "
            f"{pruner.seeds} seeds, so that none is ended before its last one; make it at most "
            f"{last}, or raise `search.pruner.seeds`"
        )
    # Over n seeds, on all of which the trial is worse, the one-sided p-value is 2^-n.
    elif 0.5**last >= pruner.p:
        least = math.floor(-math.log2(pruner.p)) + 1
        yield (
            f"`search.pruner.p` is {pruner.p:g}, but over the first {last} of "
            f"{pruner.seeds} seeds no p-value is below {0.5**last:g}, so that no trial is ended "
            f"before its last one; make `search.pruner.seeds` at least {least + 1}, or raise `p`"
        )


def _limits(config: SearchConfig) -> Iterator[str]:
    for name, limit in config.limits.items():
        if name == "accuracy" and not 0 <= limit <= 1:
            remedy = f"for {limit:g} % write {limit / 100:g}" if 1 < limit <= 100 else "correct it"
            yield f"`search.limits.accuracy` is {limit:g}, but is a share from 0 to 1; {remedy}"
        elif name != "accuracy" and limit <= 0:
            yield (
                f"`search.limits.{name}` is {limit:g}, which no student keeps to; raise it or "
                "take it out"
            )


search_rules = (_search,)
