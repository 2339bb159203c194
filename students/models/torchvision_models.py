"""Torchvision's classification models by name."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from students.errors import ModelError
from students.lazy_imports import nn
from students.models.config import Model, Options, Shape
from students.torchvision_door import load_torchvision

_OURS = {
    "weights": "give weights by `weights` beside `model`",
    "num_classes": "the transfer set determines the number of classes",
    "progress": "nothing is downloaded",
    "aux_logits": "a model here has one output",
}
"""Options that the recipe sets elsewhere, or with which the outputs are not logits."""

_OF_A_CONVOLUTION = (
    "out_channels", "kernel_size", "stride", "padding", "dilation", "padding_mode",
)  # fmt: skip
_WITH_AUXILIARY_OUTPUTS = ("googlenet", "inception_v3")
_AUXILIARY = re.compile(r"(aux1|aux2|AuxLogits)\.")
_OLD_DENSE_LAYER = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")
_OLD_PERCEPTRON = {"mlp.linear_1.": "mlp.0.", "mlp.linear_2.": "mlp.3."}
"""Names in published files of DenseNets and vision transformers that the networks have no more."""


class TorchvisionModel(Model):
    """Any of torchvision's classification models, by name, without its weights."""

    kind: Literal["torchvision"] = "torchvision"
    name: Annotated[str, Field(min_length=1)]
    options: Options = Field({}, description="what torchvision's function takes")

    initialises_itself: ClassVar[bool] = True

    def tensor_name(self, published: str) -> str | None:
        """The present name, without the auxiliary heads that only training uses."""
        if self.name in _WITH_AUXILIARY_OUTPUTS:
            return None if _AUXILIARY.match(published) else published
        if self.name.startswith("densenet"):
            return _OLD_DENSE_LAYER.sub(r"\1\2", published)
        if self.name.startswith("vit_"):
            for old, present in _OLD_PERCEPTRON.items():
                published = published.replace(old, present)
        return published

    def build(self, shape: Shape, classes: int, folder: Path) -> nn.Module:
        """The network for pictures of ``shape`` (channels, height, width).

        Torchvision's models take three channels; for pictures of another number of channels the
        first convolution is replaced by a new one.

        Raises:
            ModelError: there is no such classification model, or it refuses the options.
        """
        _check_options(self)
        library = load_torchvision().models
        _check_name(self.name, library)
        options: dict[str, Any] = dict(self.options)
        if self.name in _WITH_AUXILIARY_OUTPUTS:
            # Left out, the second draws a warning about a change of its default.
            options = {"aux_logits": False, "init_weights": True, **options}
        try:
            model: nn.Module = library.get_model(
                self.name, weights=None, num_classes=classes, **options
            )
        except (TypeError, ValueError, AttributeError, RuntimeError, AssertionError) as error:
            raise ModelError(
                f"`options` of torchvision's {self.name!r} are {self.options!r}, which it refuses"
                f" ({error}); give what its function takes",
                path="options",
            ) from error
        if shape[0] != 3:
            _take_channels(model, shape[0], self.name)
        return model


def _check_options(model: TorchvisionModel) -> None:
    for name, remedy in _OURS.items():
        if name in model.options:
            raise ModelError(
                f"`options.{name}` is {model.options[name]!r}, but it is not free; leave it out:"
                f" {remedy}",
                path=f"options.{name}",
            )


def _check_name(name: str, library: Any) -> None:
    known: list[str] = library.list_models(module=library)
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
            kept: Any = {setting: getattr(module, setting) for setting in _OF_A_CONVOLUTION}
            first = nn.Conv2d(channels, bias=module.bias is not None, **kept)
            setattr(model.get_submodule(parent), attribute, first)
            return
    raise ModelError(
        f"`name` is {name!r}, whose first layer takes 3 channels, but the pictures have {channels};"
        " choose another model",
        path="name",
    )
