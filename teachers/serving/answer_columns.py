"""What a student asks of one teacher, and by which names that is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from students.knowledge import Answer, Tap
from teachers.bank.columns import Column

Values = Mapping[str, npt.NDArray[np.float16]]


def logits_column(classes: int, top_k: int | None) -> Column:
    """The column of the logits, of which a student gets the ``top_k`` largest exactly."""
    name = "logits" if top_k is None else f"logits.top{top_k}"
    return Column(name, (classes,), top_k)


def tap_column(tap: Tap, shape: tuple[int, ...]) -> Column:
    """The column of a tap of ``shape`` per sample."""
    return Column(tap_name(tap), shape)


def tap_name(tap: Tap) -> str:
    """What a tap's column is called."""
    return f"tap.{tap.name}"


def wanted(logits: Column, taps: Sequence[Tap]) -> tuple[str, ...]:
    """The names of all that an answer consists of."""
    return (logits.name, *map(tap_name, taps))


def values_of(answer: Answer, logits: Column) -> dict[str, npt.NDArray[np.float16]]:
    """What a teacher has just computed, by column, as it will be given back when it is kept."""
    values = {f"tap.{name}": each for name, each in answer.taps.items()}
    values[logits.name] = answer.logits
    if logits.top_k is not None:
        values[logits.name] = logits.decode(logits.encode(answer.logits))
    return values


def answer_of(
    values: Values,
    logits: Column,
    taps: Sequence[Tap],
    *,
    seconds: float = 0.0,
    computed: int = 0,
    warning: str = "",
) -> Answer:
    """The answer that consists of ``values`` by column."""
    return Answer(
        values[logits.name],
        {tap.name: values[tap_name(tap)] for tap in taps},
        seconds,
        computed,
        warning,
    )
