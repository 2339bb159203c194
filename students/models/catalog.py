"""The closed table of models: from a kind to a network."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import assert_never

import torch
from torch import Tensor, nn

from students import custom_code
from students.errors import ModelError, UserError
from students.models import (
    mlp,
    mobilenet_cifar,
    plain_cnn,
    resnet_cifar,
    torchvision_models,
    wide_resnet,
)
from students.models.config import (
    CustomModel,
    Mlp,
    MobileNetCifar,
    ModelConfig,
    PlainCnn,
    ResNetCifar,
    TorchvisionModel,
    WideResNet,
)
from students.models.initialise import initialise
from students.randomness import seed_of

Shape = tuple[int, int, int]


def build_model(
    config: ModelConfig, *, input_shape: Shape, classes: int, seed: int, folder: Path
) -> nn.Module:
    """The model, from preprocessed float pictures [B, C, H, W] to logits [B, classes].

    ``input_shape`` (channels, height, width) is the transfer set's; if the model's preprocessing
    resizes, the model is built for the new size. Initial weights are a function of ``seed`` and
    each module's name; torchvision's and custom models initialise themselves, so theirs are a
    function of ``seed`` and of the whole model. The caller's generator is left as it was.

    Raises:
        ModelError: the model cannot be built; the sentence says why.
    """
    shape = model_shape(config, input_shape)
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        if isinstance(config, (TorchvisionModel, CustomModel)):
            torch.manual_seed(seed_of(seed, "init"))
            return _construct(config, shape, classes, folder)
        with torch.device("meta"):  # draws nothing; every weight comes from `initialise`
            model = _construct(config, shape, classes, folder)
        model.to_empty(device="cpu")
        initialise(model, seed)
        return model


def skeleton(config: ModelConfig, *, input_shape: Shape, classes: int, folder: Path) -> nn.Module:
    """The model on the meta device: names and shapes, without memory for weights.

    Raises:
        ModelError: the model cannot be built; the sentence says why.
    """
    shape = model_shape(config, input_shape)
    foreign = isinstance(config, (TorchvisionModel, CustomModel))
    # Some compute with tensors while they are built, which the meta device cannot.
    with contextlib.suppress(ModelError) if foreign else contextlib.nullcontext():
        return _on("meta", config, shape, classes, folder)
    return _on("cpu", config, shape, classes, folder).to("meta")


def probe(config: ModelConfig, *, input_shape: Shape, classes: int, folder: Path) -> nn.Module:
    """The skeleton, after it has shown that two pictures make logits [2, classes].

    A model that cannot compute on the meta device is asked on the CPU.

    Raises:
        ModelError: the model cannot be built, refuses pictures of this shape, or gives anything
            else than logits.
    """
    model = skeleton(config, input_shape=input_shape, classes=classes, folder=folder)
    shape = model_shape(config, input_shape)
    spelled = "x".join(map(str, shape))
    try:
        output = _output(model, config, shape, classes, folder)
    except Exception as error:  # a custom or unusual model may raise anything
        raise ModelError(
            f"`kind` is {config.kind!r}, but the model fails on pictures of {spelled}"
            f" ({_first_line(error)}); choose another size by `preprocessing.size`, or another"
            " model",
            path="kind",
        ) from error
    if not isinstance(output, Tensor) or tuple(output.shape) != (2, classes):
        got = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ModelError(
            f"`kind` is {config.kind!r}, but the model makes {got} of two pictures of {spelled}; it"
            f" must make logits [2, {classes}]",
            path="kind",
        )
    return model


def _output(
    model: nn.Module, config: ModelConfig, shape: Shape, classes: int, folder: Path
) -> object:
    with contextlib.suppress(Exception):
        return _forward(model, "meta", shape)
    return _forward(_on("cpu", config, shape, classes, folder), "cpu", shape)


def _forward(model: nn.Module, device: str, shape: Shape) -> object:
    modes = {module: module.training for module in model.modules()}
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            output: object = model.eval()(torch.zeros(2, *shape, device=device))
    finally:
        for module, training in modes.items():
            module.training = training
    return output


def _on(device: str, config: ModelConfig, shape: Shape, classes: int, folder: Path) -> nn.Module:
    with torch.random.fork_rng(devices=[]), torch.device(device):
        return _construct(config, shape, classes, folder).to(device)


def model_shape(config: ModelConfig, input_shape: Shape) -> Shape:
    """What the model's first layer sees of pictures of ``input_shape``."""
    size = config.preprocessing.size
    return input_shape if size is None else (input_shape[0], size, size)


def _construct(config: ModelConfig, shape: Shape, classes: int, folder: Path) -> nn.Module:
    match config:
        case Mlp():
            return mlp.build(config, shape, classes)
        case PlainCnn():
            return plain_cnn.build(config, shape, classes)
        case ResNetCifar():
            return resnet_cifar.build(config, shape, classes)
        case WideResNet():
            return wide_resnet.build(config, shape, classes)
        case MobileNetCifar():
            return mobilenet_cifar.build(config, shape, classes)
        case TorchvisionModel():
            return torchvision_models.build(config, shape, classes)
        case CustomModel():
            return _custom(config, shape, classes, folder)
    assert_never(config)


def _custom(config: CustomModel, shape: Shape, classes: int, folder: Path) -> nn.Module:
    try:
        function: Callable[..., object] = custom_code.load_function(config.source, folder)
    except UserError as error:
        raise ModelError(error.message, path=error.path) from error
    try:
        model = function(input_shape=shape, classes=classes, **config.options)
    except Exception as error:  # somebody else's code may raise anything
        raise ModelError(
            f"`source` is {config.source!r}, which raises {type(error).__name__}:"
            f" {_first_line(error)}; it is called with input_shape=(channels, height, width),"
            " classes and the options",
            path="source",
        ) from error
    if not isinstance(model, nn.Module):
        raise ModelError(
            f"`source` is {config.source!r}, which returns a {type(model).__name__};"
            " it must return a torch.nn.Module",
            path="source",
        )
    return model


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
