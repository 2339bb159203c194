"""Matrix products of which a row does not depend on its place in the batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.utils._python_dispatch import TorchDispatchMode

ALIGNMENT = 16
"""Numbers, 64 bytes of float32: the longest vectors of a processor."""

_ATEN = torch.ops.aten


class AlignedProducts(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While it is open, the rows of matrix products on the CPU are padded with zeros to a multiple
    of 64 bytes.

    Where rows are of another length, each begins at another offset from a vector's boundary, and
    the library adds up in another order: the last bits of an answer would depend on the place that
    a sample has in its batch. (Of the widths 20 to 139 of a layer, 90 gave such bits, on AVX2.)
    What a library puts in place of PyTorch's linear layer ends in these products as well.
    """

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """``func``, of padded matrices where it is a product."""
        given = dict(kwargs or {})
        if func is _ATEN.linear.default:
            rows, weight, *bias = args
            args = (*_padded(rows, weight), *bias)
        elif func is _ATEN.mm.default:
            rows, columns = _padded(args[0], args[1].t())
            args = (rows, columns.t())
        elif func is _ATEN.addmm.default:
            rows, columns = _padded(args[1], args[2].t())
            args = (args[0], rows, columns.t())
        return func(*args, **given)


def _padded(rows: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Two matrices whose rows are multiplied with each other, [..., K] and [N, K], with a K that is
    a multiple of ``ALIGNMENT``."""
    missing = -rows.shape[-1] % ALIGNMENT
    if not missing or rows.is_cuda:
        return rows, others
    return pad(rows, (0, missing)), pad(others, (0, missing))
