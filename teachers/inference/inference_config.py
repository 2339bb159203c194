"""How a teacher is run: everything beside its weights that an answer's bits depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

Precision = Literal["fp32", "bf16"]

PLAIN_BATCH = 64
"""Samples in every forward pass of a teacher that is run plainly."""


@dataclass(frozen=True)
class InferenceConfig:
    """One way of running a teacher.

    ``precision`` of its arithmetic; ``channels_last`` is how pictures lie in memory;
    ``compiled`` by torch.compile; ``forward_batch`` samples in every forward pass, the last
    one filled up; on ``threads`` threads; ``folded``: batch normalisation has gone into the
    weights of the convolution before it. Each of them may change the last bits of an answer,
    so whoever fills one shelf of the bank runs in one manner.
    """

    precision: Precision
    channels_last: bool
    compiled: bool
    forward_batch: int
    threads: int
    folded: bool = False

    def to_json(self) -> dict[str, Any]:
        """Names and plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> InferenceConfig:
        """The manner that ``to_json`` gave.

        Raises:
            ValueError: these are not a manner's names, or a value is of another kind.
        """
        if set(values) != {field.name for field in fields(cls)}:
            raise ValueError(f"a manner does not consist of {sorted(values)}")
        found = cls(**values)
        if found.precision not in ("fp32", "bf16"):
            raise ValueError(f"a manner's precision is not {found.precision!r}")
        if not (_is_count(found.forward_batch) and _is_count(found.threads)):
            raise ValueError("a manner's forward batch and threads are numbers from 1 on")
        return found

    def __str__(self) -> str:
        """In words: ``bf16, channels-last, compiled, 128 at a time, 2 threads``."""
        ways: list[str] = [self.precision]
        ways += ["channels-last"] * self.channels_last + ["folded"] * self.folded
        ways += ["compiled"] * self.compiled
        threads = f"{self.threads} thread" + "s" * (self.threads != 1)
        return ", ".join([*ways, f"{self.forward_batch} at a time", threads])


def plain(threads: int, precision: Precision = "fp32") -> InferenceConfig:
    """The manner that needs no measuring."""
    return InferenceConfig(precision, False, False, PLAIN_BATCH, threads)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
