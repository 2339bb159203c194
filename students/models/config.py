"""What every model has in a recipe: its base class, preprocessing, files of weights."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from cluster.section import Reason, Section, short_form
from students.lazy_imports import nn

Shape = tuple[int, int, int]
Width = Annotated[int, Field(ge=1, le=65536)]
Rate = Annotated[
    float,
    Field(ge=0, le=0.95),
    Reason("it is the share of units that are dropped, not kept", share=True),
]
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

    @model_validator(mode="after")
    def _of_scaled_pictures(self) -> Self:
        mean, std = self.mean or (), self.std or ()
        if all(abs(each) <= 1 for each in mean) and all(1e-4 <= each <= 5 for each in std):
            return self
        given = {"mean": mean, "std": std}
        wrong = " and ".join(f"{name} {list(each)}" for name, each in given.items() if each)
        raise ValueError(
            f"must be of pictures scaled to [0, 1], whose mean is at most 1 and whose std is from "
            f"0.0001 to 5, but has {wrong}{_divided(mean, std)}"
        )


def _divided(mean: Sequence[float], std: Sequence[float]) -> str:
    """The remedy for figures of pictures from 0 to 255."""
    largest = max((abs(each) for each in (*mean, *std)), default=0.0)
    if not 5 < largest <= 255:
        return "; give those of such pictures"
    # Figures of either scale stand side by side in some published settings.
    in_bytes = any(abs(each) > 1 for each in mean)
    parts = [f"mean: {[round(each / 255, 4) for each in mean]}"] if in_bytes else []
    if std and (in_bytes or any(each > 5 for each in std)):
        parts.append(f"std: {[round(each / 255, 4) for each in std]}")
    return f"; divide by 255: {', '.join(parts)}"


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

    def file(self, folder: Path) -> Path:
        """Where the file is; a relative path is taken from ``folder``, ``~`` is the user's home."""
        return folder / Path(self.path).expanduser()


def _path_first(value: object) -> object:
    return value if value == "none" else short_form(value, "path")


WeightsConfig = Annotated[Weights, BeforeValidator(_path_first)]
OptionalWeights = Annotated[Literal["none"] | Weights, BeforeValidator(_path_first)]
