"""Other ways in which a model's weights may want to be given the same pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from students.models.config import Preprocessing

_USUAL: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "ImageNet's mean and std": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "CIFAR-10's usual mean and std": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "MNIST's usual mean and std": ((0.1307,), (0.3081,)),
    "pictures from -1 to 1": ((0.5,), (0.5,)),
    "pictures from 0 to 1": ((0.0,), (1.0,)),
    "pictures from 0 to 255": ((0.0,), (1 / 255,)),
}


def readings(
    config: Preprocessing, *, mean: Sequence[float], std: Sequence[float]
) -> dict[str, Preprocessing]:
    """Preprocessings other than ``config``, by what they are; ``mean`` and ``std`` are the
    transfer set's own, one per channel, as are those of the result."""
    channels = len(mean)
    candidates = {"the transfer set's own mean and std": (tuple(mean), tuple(std))} | {
        name: (_each(middle, channels), _each(width, channels))
        for name, (middle, width) in _USUAL.items()
        if len(middle) in (1, channels)
    }
    own = _in_rgb(config, mean, std)
    result = {
        name: _reading(config, *figures, reverse=config.channels == "bgr")
        for name, figures in candidates.items()
        if not np.allclose(np.array(figures), np.array(own), atol=0.02, rtol=0.02)
    }
    if channels == 3:
        other = config.channels != "bgr"
        name = f"the channels as {'bgr' if other else 'rgb'}"
        result[name] = _reading(config, *own, reverse=other)
    return result


def described(config: Preprocessing) -> str:
    """The settings of ``config`` as a recipe has them."""
    said = config.model_dump(mode="json", exclude_none=True)
    parts = [f"{name}: {_rounded(value)}" for name, value in said.items()]
    return "{" + ", ".join(parts) + "}"


def _in_rgb(
    config: Preprocessing, mean: Sequence[float], std: Sequence[float]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The mean and std in force, in the transfer set's order of channels."""
    said = (config.mean, config.std)
    if config.channels == "bgr":
        said = tuple(None if each is None else each[::-1] for each in said)  # type: ignore[assignment]
    return (said[0] or tuple(mean), said[1] or tuple(std))


def _reading(
    config: Preprocessing, mean: Sequence[float], std: Sequence[float], *, reverse: bool
) -> Preprocessing:
    step = -1 if reverse else 1
    return config.model_copy(
        update={
            "mean": tuple(mean)[::step],
            "std": tuple(std)[::step],
            "channels": "bgr" if reverse else "rgb",
        }
    )


def _each(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    return values if len(values) == channels else values * channels


def _rounded(value: object) -> object:
    return [round(each, 4) for each in value] if isinstance(value, list) else value
