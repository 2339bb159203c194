"""Loads a weights file into a model, or not at all, and reports what of it is not used."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from cluster.errors import some_of
from students.models.config import Weights
from students.models.weights_choice import Chosen, choose, usual_key
from students.models.weights_file import WeightsFile
from students.models.weights_names import wanted_by

OwnName = Callable[[str], str | None]
"""From the name of a tensor in published files to the model's own; none if the model, which has no
parts for training alone, lacks it."""


@dataclass(frozen=True)
class WeightsSummary:
    """What of a file is used: ``notes``, sentences on what is not; ``initial``, the tensors of the
    model that keep their initial values."""

    notes: tuple[str, ...]
    initial: tuple[str, ...]


def load_weights(
    model: nn.Module,
    weights: Weights,
    *,
    path_in_recipe: str,
    folder: Path,
    own_name: OwnName = str,
) -> None:
    """Puts a weights file into ``model``, whose names and shapes it must have.

    Which part of the file and which prefix of its names are meant is found where only wrappers
    have named them and one choice alone fits. ``path_in_recipe`` is where ``weights`` stands, such
    as ``teachers.deep.weights``; a relative path is taken from ``folder``.

    Counters of batch normalisation (``num_batches_tracked``) may be absent: old files have none,
    and nothing is computed from them.

    Raises:
        WeightsError: the file is missing, damaged, unsafe, of another format, has no weights at
            the key given, or does not fit; the model is unchanged.
    """
    file = WeightsFile(weights, path_in_recipe, folder)
    content = file.read(header_only=False)
    chosen = choose(file, content, wanted_by(model, weights, own_name))
    state: Any = OrderedDict(chosen.match.tensors)
    # The names are the model's present ones, so that its modules need not translate older ones.
    state._metadata = getattr(model.state_dict(), "_metadata", {})
    model.load_state_dict(state, strict=False)


def check_weights_header(
    model: nn.Module,
    weights: Weights,
    *,
    path_in_recipe: str,
    folder: Path,
    own_name: OwnName = str,
) -> WeightsSummary:
    """Compares a weights file with ``model`` (which may be a skeleton) by names and shapes.

    Of a safetensors file only the header is read; tensors in a file of ``torch.save`` stay on the
    disk where its format allows it (since PyTorch 1.6).

    Raises:
        WeightsError: as ``load_weights``.
    """
    file = WeightsFile(weights, path_in_recipe, folder)
    content = file.read(header_only=True)
    wanted = wanted_by(model, weights, own_name)
    chosen = choose(file, content, wanted)
    initial = tuple(wanted.originals[name] for name in wanted.shapes if wanted.leaves_out(name))
    return WeightsSummary(tuple(_notes(file, chosen, initial)), initial)


def _notes(file: WeightsFile, chosen: Chosen, initial: tuple[str, ...]) -> Iterator[str]:
    place, found = f"`{file.place}` ({file.weights.path!r})", chosen.match
    if chosen.key and not usual_key(chosen.key) and file.weights.key is None:
        yield f"{place}: the weights are those of its part {chosen.key!r}, the only ones that fit."
    elif chosen.others and file.weights.key is None:
        others = ", ".join(map(repr, chosen.others))
        yield f"{place}: the weights are those of its part {chosen.key!r}; {others} would fit too."
    if found.outside:
        yield f"{place}: not used, outside the prefix {found.prefix!r}: {some_of(found.outside)}."
    if found.only_trained:
        yield f"{place}: left out, for only training uses them: {some_of(found.only_trained)}."
    if initial:
        yield f"{place}: left out, so that the model starts with new ones: {some_of(initial)}."
    elif found.left_out:
        yield f"{place}: left out of the file: {some_of(found.left_out)}."
