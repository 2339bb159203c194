"""What every model has in a recipe: its base class, preprocessing, files of weights."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from cluster.section import Section, short_form
from students.lazy_imports import nn

Shape = tuple[int, int, int]
Width = Annotated[int, Field(ge=1, le=65536)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Options = dict[str, str | int | float | bool | None]


class Preprocessing(Section):
    """What happens to a view (uint8) before a model's first layer; part of the model's identity.

    ``mean`` and ``std`` are per channel, of pictures scaled to [0, 1]; left out, they are
    the transfer set's own. ``size`` resizes (bilinear), ``channels`` reorders; mean and std
    stand in the order that ``channels`` says.
    """

    size: Annotated[int, Field(ge=1, le=1024)] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[Annotated[float, Field(gt=0)], ...] | None = None
    channels: Literal["rgb", "bgr"] = "rgb"


class Model(Section):
    """One kind of network.

    A subclass adds ``kind``, its settings, and ``build``. What must be known of a kind elsewhere is
    a class variable or a property here, never a comparison with its name.
    """

    kind: str
    preprocessing: Preprocessing = Preprocessing()

    initialises_itself: ClassVar[bool] = False
    """Whether its code draws the initial weights, which then depend on the whole model."""
    channels_last: ClassVar[bool] = True
    """Whether it may compute on pictures laid out with their channels last."""

    @abstractmethod
    def build(self, shape: Shape, classes: int, folder: Path) -> nn.Module:
        """The network for preprocessed pictures of ``shape`` (channels, height, width), which
        makes logits [B, classes] of float pictures [B, *shape]; ``folder`` is the recipe's.

        Raises:
            ModelError: the network cannot be built; the message says why.
        """

    @property
    def feature_layer(self) -> str | None:
        """The last layer before the outputs; none where its name is not known."""
        return None

    @property
    def identity(self) -> dict[str, Any]:
        """What the network depends on; two ways of writing the same network are one."""
        return self.model_dump(mode="json")

    def tensor_name(self, published: str) -> str | None:
        """The network's own name of the tensor that published files call ``published``; none if it
        is of a part that only training uses, which the network here lacks."""
        return published

    @property
    def custom_source(self) -> str | None:
        """The user's own function, ``file.py:function``, that is part of it."""
        return None

    def model_shape(self, input_shape: Shape) -> Shape:
        """The shape of preprocessed pictures of ``input_shape``, which the first layer gets."""
        size = self.preprocessing.size
        return input_shape if size is None else (input_shape[0], size, size)


class Weights(Section):
    """A file of weights: a safetensors file or one that ``torch.save`` wrote.

    ``key`` names the part of the file that holds them, ``strip_prefix`` what stands before
    every name; both are found by themselves where the usual words were used. ``leave_out`` names
    modules, such as another data set's head; ``select_outputs`` takes some of its outputs.
    """

    path: str = Field(min_length=1)
    key: str | None = None
    strip_prefix: str | None = None
    leave_out: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (), description="modules that are not loaded; a student's start from new values"
    )
    select_outputs: tuple[Annotated[int, Field(ge=0)], ...] | None = Field(
        None, min_length=1, description="the file's outputs that are the model's, in order"
    )


def _path_first(value: object) -> object:
    return value if value == "none" else short_form(value, "path")


WeightsConfig = Annotated[Weights, BeforeValidator(_path_first)]
OptionalWeights = Annotated[Literal["none"] | Weights, BeforeValidator(_path_first)]
