"""How a teacher is run: everything beside its weights that the bits of an answer depend on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, PositiveInt, TypeAdapter

Precision = Literal["fp32", "bf16"]

PLAIN_BATCH = 64
"""Samples in every forward pass of a teacher in plain fp32."""


@dataclass(frozen=True)
class InferenceConfig:
    """One way of running a teacher.

    ``precision`` is that of its arithmetic; ``channels_last`` is the memory layout of images;
    ``compiled`` by torch.compile; ``forward_batch`` samples in every forward pass, the last
    one padded; on ``threads`` threads; ``folded``: batch normalisation is part of the weights of
    the convolution before it. Each of them may change the last bits of an answer, so all writers
    of one shelf of the bank run the teacher with the same config.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    precision: Precision
    channels_last: bool
    compiled: bool
    forward_batch: PositiveInt
    threads: PositiveInt
    folded: bool = False

    def to_json(self) -> dict[str, Any]:
        """Names and plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> InferenceConfig:
        """The config that ``to_json`` gave.

        Raises:
            ValueError: a name or a value is not one of a config.
        """
        return TypeAdapter(cls).validate_json(json.dumps(values))

    def __str__(self) -> str:
        """In words: ``bf16, channels-last, compiled, 128 at a time, 2 threads``."""
        ways: list[str] = [self.precision]
        ways += ["channels-last"] * self.channels_last + ["folded"] * self.folded
        ways += ["compiled"] * self.compiled
        threads = f"{self.threads} thread" + "s" * (self.threads != 1)
        return ", ".join([*ways, f"{self.forward_batch} at a time", threads])


def plain(threads: int, precision: Precision = "fp32") -> InferenceConfig:
    """The config that needs no measuring."""
    return InferenceConfig(precision, False, False, PLAIN_BATCH, threads)
