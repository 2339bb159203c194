"""Judges a recipe across its sections: all rules, in the order of the sections.

A rule yields findings: a place, and the rest of the sentence that begins with it. It looks at
values alone, reads no file and imports no framework. Its sentence names each place that it
looked at. A setting without effect is a problem where it differs from its default, so that a
recipe printed in full is judged like the file that it came from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from orchestrator.config import Recipe
from orchestrator.errors import Finding, Problem, problems_from
from orchestrator.recipe.rules.bank import bank_rules
from orchestrator.recipe.rules.class_maps import class_rules
from orchestrator.recipe.rules.ensemble import ensemble_rules
from orchestrator.recipe.rules.teaching import teaching_rules
from orchestrator.recipe.rules.training import training_rules
from orchestrator.recipe.rules.transfer_set import sample_rules
from orchestrator.recipe.rules.weight_schedules import weight_rules

Rule = Callable[[Recipe], Iterator[Finding]]

RULES: tuple[Rule, ...] = (
    *sample_rules,
    *teaching_rules,
    *ensemble_rules,
    *weight_rules,
    *class_rules,
    *bank_rules,
    *training_rules,
)


def judge(recipe: Recipe) -> list[Problem]:
    """Every problem that the rules find."""
    return problems_from(finding for rule in RULES for finding in rule(recipe))
