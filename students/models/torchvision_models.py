"""Torchvision's classification models by name."""

from __future__ import annotations

import difflib
from typing import Any

from torch import nn

from students import torchvision_door
from students.errors import ModelError
from students.models.config import TorchvisionModel

Shape = tuple[int, int, int]

_OURS = {
    "weights": "give weights by `weights` beside `model`",
    "num_classes": "the transfer set says how many classes there are",
    "progress": "nothing is downloaded",
    "aux_logits": "a model here has one output",
}
"""Options that the recipe says elsewhere, or that would make other outputs than logits."""

_WITH_AUXILIARY_OUTPUTS = ("googlenet", "inception_v3")


def build(config: TorchvisionModel, input_shape: Shape, classes: int) -> nn.Module:
    """The network for pictures of ``input_shape`` (channels, height, width), initialised by itself.

    Torchvision's models take three channels; for pictures of another number of channels the
    first convolution is made anew.

    Raises:
        ModelError: there is no such classification model, or it refuses the options.
    """
    _check_options(config)
    library = torchvision_door.models()
    _check_name(config.name, library)
    options: dict[str, Any] = dict(config.options)
    if config.name in _WITH_AUXILIARY_OUTPUTS:
        # Left out, the second draws a warning about a change of its default.
        options = {"aux_logits": False, "init_weights": True, **options}
    try:
        model: nn.Module = library.get_model(
            config.name, weights=None, num_classes=classes, **options
        )
    except (TypeError, ValueError, AttributeError, RuntimeError, AssertionError) as error:
        raise ModelError(
            f"`options` of torchvision's {config.name!r} are {config.options!r}, which it refuses"
            f" ({error}); give what its function takes",
            path="options",
        ) from error
    if input_shape[0] != 3:
        _take_channels(model, input_shape[0], config.name)
    return model


def classification_models(library: Any) -> list[str]:
    """The names of all classification models of ``torchvision.models``."""
    names: list[str] = library.list_models(module=library)
    return names


def _check_options(config: TorchvisionModel) -> None:
    for name, remedy in _OURS.items():
        if name in config.options:
            raise ModelError(
                f"`options.{name}` is {config.options[name]!r}, but it is not free; leave it out:"
                f" {remedy}",
                path=f"options.{name}",
            )


def _check_name(name: str, library: Any) -> None:
    known = classification_models(library)
    if name in known:
        return
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    remedy = f"did you mean {' or '.join(map(repr, near))}?" if near else "see torchvision's list"
    raise ModelError(
        f"`name` is {name!r}, which is none of torchvision's {len(known)} classification models;"
        f" {remedy}",
        path="name",
    )


def _take_channels(model: nn.Module, channels: int, name: str) -> None:
    for path, module in model.named_modules():
        if isinstance(module, nn.Conv2d) and module.in_channels == 3 and module.groups == 1:
            parent, _, attribute = path.rpartition(".")
            setattr(model.get_submodule(parent), attribute, _like(module, channels))
            return
    raise ModelError(
        f"`name` is {name!r}, whose first layer takes 3 channels, but the pictures have {channels};"
        " choose another model",
        path="name",
    )


def _like(convolution: nn.Conv2d, channels: int) -> nn.Conv2d:
    made: Any = nn.Conv2d
    again: nn.Conv2d = made(
        channels,
        convolution.out_channels,
        convolution.kernel_size,
        stride=convolution.stride,
        padding=convolution.padding,
        dilation=convolution.dilation,
        bias=convolution.bias is not None,
        padding_mode=convolution.padding_mode,
    )
    return again
