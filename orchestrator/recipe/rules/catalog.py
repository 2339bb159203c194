"""Judges a recipe across its sections: all rules, asked in the order of the sections.

A rule is a generator of problems that looks at values alone: it reads no file and imports no
framework. Its sentence names each place that it looked at. A setting without effect is a
problem when it differs from its default; written out at its default it says what happens
anyhow, so a recipe printed in full is judged as the file it came from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from orchestrator.config import Recipe
from orchestrator.errors import Problem
from orchestrator.recipe.rules.bank import bank_rules
from orchestrator.recipe.rules.class_maps import class_rules
from orchestrator.recipe.rules.engine import engine_rules
from orchestrator.recipe.rules.ensemble import ensemble_rules
from orchestrator.recipe.rules.gate import gate_rules
from orchestrator.recipe.rules.teaching import teaching_rules
from orchestrator.recipe.rules.training import training_rules
from orchestrator.recipe.rules.transfer_set import sample_rules
from orchestrator.recipe.rules.weight_schedules import weight_rules

Rule = Callable[[Recipe], Iterator[Problem]]

RULES: tuple[Rule, ...] = (
    *sample_rules,
    *teaching_rules,
    *ensemble_rules,
    *weight_rules,
    *class_rules,
    *gate_rules,
    *bank_rules,
    *training_rules,
    *engine_rules,
)


def judge(recipe: Recipe) -> list[Problem]:
    """Every problem that the rules find."""
    return [problem for rule in RULES for problem in rule(recipe)]
