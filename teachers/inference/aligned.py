"""Matrix products of which a row does not depend on its place in the batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

ALIGNMENT = 16
"""Numbers, 64 bytes of float32: the longest vectors of a processor."""


class AlignedProducts(TorchFunctionMode):
    """While it is open, linear layers on the CPU get their rows padded with zeros to a multiple of
    64 bytes.

    Where rows are of another length, each begins at another offset from a vector's boundary, and
    the library adds up in another order: the last bits of an answer would depend on the place that
    a sample has in its batch. (Of the widths 20 to 139 of a layer, 90 gave such bits, on AVX2.)
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """``func``; a linear layer with padded rows."""
        given = dict(kwargs or {})
        if func is not functional.linear:
            return func(*args, **given)
        named = dict(zip(("input", "weight", "bias"), args, strict=False)) | given
        inputs, weight, bias = named["input"], named["weight"], named.get("bias")
        missing = -inputs.shape[-1] % ALIGNMENT
        if missing and not inputs.is_cuda:
            inputs, weight = (functional.pad(each, (0, missing)) for each in (inputs, weight))
        product: Tensor = functional.linear(inputs, weight, bias)
        return product
