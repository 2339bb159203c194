"""Loads a finished model: architecture from the recipe, weights from a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from students.models.build import build_model
from students.models.config import Model, Weights
from students.models.network import Network, Preprocess, spread_of
from students.models.weights import load_weights
from students.transfer_sets.transfer_set import TransferSet


def load_network(
    model: Model,
    weights: Weights,
    *,
    transfer_set: TransferSet,
    folder: Path,
    path: str,
    classes: Sequence[int] | None = None,
) -> Network:
    """The network of ``model`` with ``weights``, for pictures of ``transfer_set``.

    ``folder`` is the recipe's; ``path`` is the weights' place in it, for messages. ``classes``
    says what the model's outputs stand for, if not for all classes in order; the network's own
    are all classes in any case.

    Raises:
        ModelError, WeightsError: the two do not fit together, or the file cannot be read.
    """
    built = build_model(
        model,
        input_shape=transfer_set.shape,
        classes=transfer_set.classes if classes is None else len(classes),
        seed=0,
        folder=folder,
    )
    load_weights(built, weights, path_in_recipe=path, folder=folder)
    first = Preprocess(
        model.preprocessing,
        mean=transfer_set.mean,
        std=transfer_set.std,
    )
    return Network(first, built, spread_of(classes, transfer_set.classes)).eval()
