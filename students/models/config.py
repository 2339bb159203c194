"""What a recipe may say of a model: its kind, its size, its preprocessing."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from cluster.section import Section

Width = Annotated[int, Field(ge=1, le=65536)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Options = dict[str, str | int | float | bool | None]


class Preprocessing(Section):
    """What a model does with a view (uint8) before its first layer; part of its identity.

    ``mean`` and ``std`` are per channel, of pictures scaled to [0, 1]; left out, they are
    the transfer set's own. ``size`` resizes (bilinear), ``channels`` reorders; mean and std
    stand in the order that ``channels`` says.
    """

    size: Annotated[int, Field(ge=1, le=1024)] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[Annotated[float, Field(gt=0)], ...] | None = None
    channels: Literal["rgb", "bgr"] = "rgb"


class ModelBase(Section):
    """What all models have."""

    preprocessing: Preprocessing = Preprocessing()


class Mlp(ModelBase):
    """Fully connected: ``hidden`` widths, or ``depth`` layers of one ``width``."""

    kind: Literal["mlp"] = "mlp"
    hidden: tuple[Width, ...] | None = None
    depth: Annotated[int, Field(ge=1, le=64)] | None = None
    width: Width | None = None
    dropout: Rate = 0.0

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> Mlp:
        by_shape = self.depth is not None and self.width is not None
        partly = self.depth is not None or self.width is not None
        if (self.hidden is None) == (not by_shape) or (self.hidden is not None and partly):
            raise ValueError("must give either hidden, or both depth and width")
        return self

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths of the hidden layers, however they were said."""
        if self.hidden is not None:
            return self.hidden
        assert self.depth is not None and self.width is not None
        return (self.width,) * self.depth


class PlainCnn(ModelBase):
    """Convolutions of 3x3 in a row, as in the teacher-assistant paper (Mirzadeh et al., 2020).

    ``depth`` convolutions; ``width`` channels in the first two, doubled after every second
    one together with a max-pooling; or ``channels`` for each.
    """

    kind: Literal["plain_cnn"] = "plain_cnn"
    channels: Annotated[tuple[Width, ...], Field(min_length=1)] | None = None
    depth: Annotated[int, Field(ge=1, le=32)] | None = None
    width: Width | None = None

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> PlainCnn:
        by_shape = self.depth is not None and self.width is not None
        partly = self.depth is not None or self.width is not None
        if (self.channels is None) == (not by_shape) or (self.channels is not None and partly):
            raise ValueError("must give either channels, or both depth and width")
        return self

    @property
    def widths(self) -> tuple[int, ...]:
        """The channels of each convolution, however they were said."""
        if self.channels is not None:
            return self.channels
        assert self.depth is not None and self.width is not None
        return tuple(self.width * 2 ** (index // 2) for index in range(self.depth))


class ResNetCifar(ModelBase):
    """The CIFAR ResNets of He et al. (2016, section 4.2): depth 6n+2, three stages."""

    kind: Literal["resnet_cifar"] = "resnet_cifar"
    depth: Annotated[int, Field(ge=8, le=1202)] = 20
    width: Width = 16
    shortcut: Literal["A", "B"] = "A"

    @model_validator(mode="after")
    def _six_n_plus_two(self) -> ResNetCifar:
        if (self.depth - 2) % 6:
            raise ValueError(f"depth {self.depth} must be 6n+2: 8, 14, 20, 26, 32, 44, 56, 110")
        return self


class WideResNet(ModelBase):
    """Wide ResNets (Zagoruyko & Komodakis, 2016): depth 6n+4, ``widen`` times 16 channels."""

    kind: Literal["wide_resnet"] = "wide_resnet"
    depth: Annotated[int, Field(ge=10, le=202)] = 16
    widen: Annotated[int, Field(ge=1, le=32)] = 2
    dropout: Rate = 0.0

    @model_validator(mode="after")
    def _six_n_plus_four(self) -> WideResNet:
        if (self.depth - 4) % 6:
            raise ValueError(f"depth {self.depth} must be 6n+4: 10, 16, 22, 28, 40")
        return self


class MobileNetCifar(ModelBase):
    """Depthwise separable convolutions (Howard et al., 2017) at CIFAR's size."""

    kind: Literal["mobilenet_cifar"] = "mobilenet_cifar"
    width: Annotated[float, Field(gt=0, le=8, description="multiplier of all channels")] = 1.0


class TorchvisionModel(ModelBase):
    """Any of torchvision's classification models, by name, without its weights."""

    kind: Literal["torchvision"] = "torchvision"
    name: Annotated[str, Field(min_length=1)]
    options: Options = Field({}, description="what torchvision's function takes")


class CustomModel(ModelBase):
    """``file.py:function`` beside the recipe builds the network.

    The function is called as ``function(input_shape=(C, H, W), classes=N, **options)`` and
    returns an ``nn.Module`` from preprocessed float pictures [B, C, H, W] to logits [B, N].
    """

    kind: Literal["custom"] = "custom"
    source: str = Field(pattern=r"^[^:]+\.py:[A-Za-z_]\w*$")
    options: Options = Field({}, description="what the function takes beside")


ModelConfig = Annotated[
    Mlp | PlainCnn | ResNetCifar | WideResNet | MobileNetCifar | TorchvisionModel | CustomModel,
    Field(discriminator="kind"),
]


class Weights(Section):
    """Where weights come from: a safetensors file or one that ``torch.save`` wrote.

    ``key`` names the part of the file that holds them, ``strip_prefix`` what stands before
    every name; both are found by themselves where the usual words were used.
    """

    path: str = Field(min_length=1)
    key: str | None = None
    strip_prefix: str | None = None


def _path_first(value: object) -> object:
    return {"path": value} if isinstance(value, str) and value != "none" else value


WeightsConfig = Annotated[Weights, BeforeValidator(_path_first)]
OptionalWeights = Annotated[Literal["none"] | Weights, BeforeValidator(_path_first)]
