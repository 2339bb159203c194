"""Compares the names and shapes of tensors in a file with those that a model has."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from students.models.config import Weights

Shape = tuple[int, ...]

_WRAPPERS = ("module", "model", "net", "network", "_module")
"""Modules in which data-parallel, Lightning-like and other wrappers keep the model."""

_INSERTED = re.compile(
    r"(?:^|(?<=\.))(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module|_forward_module)\."
)
"""Modules that compilation, sharding and recomputation put into names, anywhere in them."""

_COUNTERS = ("num_batches_tracked", "total_ops", "total_params", "n_averaged")
"""Counters that a model or a file may lack: no output is computed from them."""


@dataclass(frozen=True)
class Wanted:
    """What a model wants: ``shapes`` by name without wrappers, ``originals`` the model's own name
    of each, ``whole`` those of numbers that are not floating-point; ``own_name`` turns a published
    name into the model's, none if the model has no such tensor."""

    shapes: dict[str, Shape]
    originals: dict[str, str]
    whole: frozenset[str]
    leave_out: tuple[str, ...]
    select: tuple[int, ...] | None
    own_name: Callable[[str], str | None]

    @property
    def required(self) -> list[str]:
        """The names that a file must have."""
        return [name for name in self.shapes if not (is_counter(name) or self.leaves_out(name))]

    def leaves_out(self, name: str) -> bool:
        """Whether the recipe leaves ``name`` out."""
        return any(f"{name}.".startswith(f"{each}.") for each in self.leave_out)


@dataclass(frozen=True)
class Match:
    """How tensors fit a model under one prefix: ``tensors`` by the model's own names; what the
    model lacks or has in another shape (the file's, and the model's); names ``outside`` the prefix;
    those that the model's kind or the recipe leaves out, or of whose outputs some are selected."""

    prefix: str
    tensors: dict[str, Tensor] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    shapes: dict[str, tuple[Shape, Shape]] = field(default_factory=dict)
    not_floating: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    only_trained: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    selected: list[str] = field(default_factory=list)

    @property
    def fits(self) -> bool:
        """Whether the model can be given these tensors."""
        return not (self.missing or self.unexpected or self.shapes or self.not_floating)


def is_counter(name: str) -> bool:
    """Whether ``name`` is a counter, which may be absent or left over."""
    return name.rpartition(".")[2] in _COUNTERS


def wanted_by(model: nn.Module, weights: Weights, own_name: Callable[[str], str | None]) -> Wanted:
    """What ``model``, which may be a skeleton, wants of a file of ``weights``."""
    state = model.state_dict()
    names = bare_names(state)
    wrapper = _wrapper(names)
    originals = {name.removeprefix(wrapper): full for name, full in names.items()}
    return Wanted(
        shapes={name: tuple(state[full].shape) for name, full in originals.items()},
        originals=originals,
        whole=frozenset(n for n, full in originals.items() if not state[full].is_floating_point()),
        leave_out=tuple(bare_name(each).strip(".") for each in weights.leave_out),
        select=weights.select_outputs,
        own_name=own_name,
    )


def bare_name(name: str) -> str:
    """``name`` without what wrappers have put into it."""
    return _INSERTED.sub("", name)


def bare_names(names: Iterable[str]) -> dict[str, str]:
    """The given name of each, by the name without what wrappers have put into it."""
    given = list(names)
    found = {bare_name(name): name for name in given}
    return found if len(found) == len(given) else {name: name for name in given}


def known_prefix(prefix: str) -> bool:
    """Whether wrappers alone have put ``prefix`` before the names."""
    return all(each in _WRAPPERS for each in prefix.split(".")[:-1])


def prefixes(tensors: Mapping[str, Tensor], wanted: Wanted) -> list[str]:
    """The prefixes under which names of ``tensors`` are the model's, in its shapes: first those
    with the most of them, the shorter first; the wrappers' own where there are none."""
    votes: Counter[str] = Counter()
    for name, tensor in tensors.items():
        own = wanted.own_name(name) or name
        words = own.split(".")
        for at in range(len(words)):
            tail = ".".join(words[at:])
            if wanted.shapes.get(tail) == tuple(tensor.shape) and not is_counter(tail):
                votes[own[: len(own) - len(tail)]] += 1
    found = sorted(votes, key=lambda prefix: (-votes[prefix], len(prefix)))
    return found[:20] or [_wrapper(tensors)]


def match(tensors: Mapping[str, Tensor], prefix: str, wanted: Wanted) -> Match:
    """Compares ``tensors`` whose names begin with ``prefix`` with what a model wants."""
    found = Match(prefix)
    given: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if is_counter(name) and name.removeprefix(prefix) not in wanted.shapes:
            continue
        if not name.startswith(prefix):
            found.outside.append(name)
            continue
        inner = name[len(prefix) :].removeprefix(".")
        own = wanted.own_name(inner)
        if wanted.leaves_out(own or inner):
            found.left_out.append(name)
        elif own in wanted.shapes:
            given[own] = _selected(tensor, wanted.shapes[own], wanted.select)
            found.selected.extend([name] if given[own] is not tensor else [])
        else:
            (found.only_trained if own is None else found.unexpected).append(name)
    found.missing.extend(name for name in wanted.required if name not in given)
    for name, tensor in given.items():
        if tuple(tensor.shape) != wanted.shapes[name]:
            found.shapes[name] = tuple(tensor.shape), wanted.shapes[name]
        elif not (tensor.is_floating_point() or name in wanted.whole) or tensor.is_quantized:
            found.not_floating.append(name)
        found.tensors[wanted.originals[name]] = tensor
    return found


def _selected(tensor: Tensor, shape: Shape, select: tuple[int, ...] | None) -> Tensor:
    """The rows ``select`` of the last layer's tensor, whose shape is another in its first axis
    alone; any other tensor as it is."""
    has = tuple(tensor.shape)
    if select is None or has == shape or not has or has[1:] != shape[1:]:
        return tensor
    if shape[0] != len(select) or max(select) >= has[0]:
        return tensor
    return tensor.index_select(0, torch.tensor(select, device=tensor.device))


def _wrapper(names: Iterable[str]) -> str:
    """The wrappers' prefixes that all ``names`` begin with, one after another."""
    rest, stacked = list(names), ""
    while rest and (shared := [w for w in _WRAPPERS if all(n.startswith(f"{w}.") for n in rest)]):
        stacked += f"{shared[0]}."
        rest = [name.removeprefix(f"{shared[0]}.") for name in rest]
    return stacked
