"""What a recipe's weights are over the epochs, in words."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.config import Recipe
from orchestrator.recipe.rules.weight_schedules import objectives
from students.objectives.term import learns_from_teachers


def scheduled(recipe: Recipe) -> Iterator[str]:
    """One sentence on all weights that change, and one on how long teachers are asked."""
    changing = [
        f"{place}.{name} {term.weight}"
        for place, terms, _, _ in objectives(recipe)
        for name, term in terms.items()
        if not isinstance(term.weight, (int, float))
    ]
    if changing:
        yield f"Weights that change, where the first epoch is 0: {'; '.join(changing)}."
    terms, epochs = recipe.student.objective.values(), recipe.student.train.epochs
    asked = sum(learns_from_teachers(terms, epoch) for epoch in range(epochs))
    if 0 < asked < epochs:
        yield (
            f"Teachers are asked in {asked} of the student's {epochs} epochs: in the others no "
            "term that learns from them has a weight above 0."
        )
