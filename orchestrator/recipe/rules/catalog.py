"""Checks a recipe across its sections: all rules, in the order of the sections.

A rule yields sentences, each of which begins with its place in backquotes and names each place
that the rule looked at. It looks at values alone, reads no file and imports no framework. A
setting without effect is a problem where it differs from its default, so that a recipe printed in
full is checked like the file that it came from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from orchestrator.config import Recipe
from orchestrator.errors import Problem, problems_from
from orchestrator.recipe.rules.candidates import candidate_rules
from orchestrator.recipe.rules.class_maps import class_rules
from orchestrator.recipe.rules.ensemble import ensemble_rules
from orchestrator.recipe.rules.route import route_rules
from orchestrator.recipe.rules.search import search_rules
from orchestrator.recipe.rules.teaching import teaching_rules
from orchestrator.recipe.rules.training import training_rules
from orchestrator.recipe.rules.transfer_set import sample_rules

RULES: tuple[Callable[[Recipe], Iterator[str]], ...] = (
    *sample_rules,
    *teaching_rules,
    *candidate_rules,
    *route_rules,
    *ensemble_rules,
    *class_rules,
    *training_rules,
    *search_rules,
)


def check_rules(recipe: Recipe) -> list[Problem]:
    """Every problem that the rules find."""
    return problems_from(sentence for rule in RULES for sentence in rule(recipe))
