"""Finds another preprocessing under which a model's weights are right much more often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from students.models.config import Preprocessing
from students.models.network import Network, Preprocess
from students.torch_state import use_threads
from teachers.qualification.parity_checks import (
    MUCH_BETTER,
    Labels,
    best_variant,
    tells_classes_apart,
)

FIRST_LOOK = 128
"""Samples on which a variant must be promising before it is tried on all."""
CHUNK = 64

_USUAL: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "ImageNet's mean and std": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "CIFAR-10's usual mean and std": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "MNIST's usual mean and std": ((0.1307,), (0.3081,)),
    "pictures from -1 to 1": ((0.5,), (0.5,)),
    "pictures from 0 to 1": ((0.0,), (1.0,)),
    "pictures from 0 to 255": ((0.0,), (1 / 255,)),
}


def find_better_preprocessing(
    network: Network,
    config: Preprocessing,
    pictures: Tensor,
    labels: Tensor,
    *,
    mean: Sequence[float],
    std: Sequence[float],
    plain: Tensor,
    threads: int,
) -> tuple[str, str] | None:
    """Another normalisation, or order of channels, under which a network is much better.

    ``config`` is the preprocessing of ``network``, which is left as it is, and ``plain`` are its
    own answers [N, classes] to ``pictures`` uint8 [N, C, H, W] with ``labels`` [N]; ``mean`` and
    ``std`` are the transfer set's. Returns what is better, and its settings as a recipe has them;
    None where nothing is much better.
    """
    known: Labels = labels.numpy()
    right = plain.argmax(1).numpy() == known
    if 1.0 - right.mean() < MUCH_BETTER:
        return None

    def answers_under(variant: Preprocessing, part: slice) -> Labels:
        first = Preprocess(variant, mean=mean, std=std)
        other = Network(first, network.model, network.spread)
        with use_threads(threads), torch.inference_mode():
            chunks = [other(chunk).argmax(1) for chunk in torch.split(pictures[part], CHUNK)]
        return np.asarray(torch.cat(chunks))

    variants = preprocessing_variants(config, mean=mean, std=std)
    few = slice(0, len(labels), max(1, len(labels) // FIRST_LOOK))
    promising = {}
    for name, variant in variants.items():
        first = (answers_under(variant, few) == known[few]).mean()
        if first - right[few].mean() > 0.5 * MUCH_BETTER:
            answers = answers_under(variant, slice(None))
            if tells_classes_apart(answers, known, plain.shape[1]):
                promising[name] = answers == known
    best = best_variant(right, promising)
    return None if best is None else (best, format_settings(variants[best]))


def preprocessing_variants(
    config: Preprocessing, *, mean: Sequence[float], std: Sequence[float]
) -> dict[str, Preprocessing]:
    """Preprocessings other than ``config``, by what they are; ``mean`` and ``std`` are the
    transfer set's own, one per channel, as are those of the result."""
    channels = len(mean)
    candidates = {"the transfer set's own mean and std": (tuple(mean), tuple(std))} | {
        name: (middle * (channels // len(middle)), width * (channels // len(width)))
        for name, (middle, width) in _USUAL.items()
        if len(middle) in (1, channels)
    }
    is_bgr = config.channels == "bgr"
    step = -1 if is_bgr else 1
    own = (
        tuple(mean) if config.mean is None else config.mean[::step],
        tuple(std) if config.std is None else config.std[::step],
    )
    result = {
        name: _variant(config, *figures, is_bgr)
        for name, figures in candidates.items()
        if not np.allclose(np.array(figures), np.array(own), atol=0.02, rtol=0.02)
    }
    if channels == 3:
        name = f"the channels as {'rgb' if is_bgr else 'bgr'}"
        result[name] = _variant(config, *own, not is_bgr)
    return result


def format_settings(config: Preprocessing) -> str:
    """The settings of ``config`` as a recipe has them."""

    def rounded(value: object) -> object:
        return [round(each, 4) for each in value] if isinstance(value, list) else value

    settings = config.model_dump(mode="json", exclude_none=True)
    return "{" + ", ".join(f"{name}: {rounded(value)}" for name, value in settings.items()) + "}"


def _variant(
    config: Preprocessing, mean: Sequence[float], std: Sequence[float], is_bgr: bool
) -> Preprocessing:
    """``config`` with a mean and std given in the transfer set's order of channels."""
    step, channels = (-1, "bgr") if is_bgr else (1, "rgb")
    settings = {"mean": tuple(mean)[::step], "std": tuple(std)[::step], "channels": channels}
    return config.model_copy(update=settings)
