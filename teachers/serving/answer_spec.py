"""What a student's stage asks of a teacher; it travels with each question."""

from __future__ import annotations

from dataclasses import dataclass, replace

from students.knowledge import Tap, columns_of
from teachers.bank.shelf import Shelf
from teachers.inference.inference_config import InferenceConfig


@dataclass(frozen=True)
class AnswerSpec:
    """How a teacher computes its answers, which ``taps`` they have, the ``shelf`` on which they
    are stored (without one none is), and how many of the logits are exact: the ``top_k``
    largest, or all."""

    inference: InferenceConfig
    taps: tuple[Tap, ...] = ()
    shelf: Shelf | None = None
    top_k: int | None = None

    def with_taps(self, taps: tuple[Tap, ...]) -> AnswerSpec:
        """The same for answers that have no other taps than these."""
        shelf = self.shelf.of(columns_of(taps)) if self.shelf else None
        return replace(self, taps=taps, shelf=shelf)

    @property
    def complete_shelf(self) -> Shelf | None:
        """The shelf, if all columns of an answer are stored on it."""
        if self.shelf is None:
            return None
        stored = {column.name for column in self.shelf.columns}
        return self.shelf if stored.issuperset(columns_of(self.taps)) else None
