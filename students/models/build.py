"""Builds a model with its initial weights, or its skeleton without weights."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from students.errors import ModelError
from students.models.config import Model, Shape, Weights
from students.models.network import Network, Preprocess, spread_of
from students.models.weights import load_weights
from students.randomness import seed_of
from students.torch_state import leave_generator
from students.transfer_sets.transfer_set import TransferSet


def build_model(
    config: Model, *, input_shape: Shape, classes: int, seed: int, folder: Path
) -> nn.Module:
    """The model, from preprocessed float pictures [B, C, H, W] to logits [B, classes].

    ``input_shape`` (channels, height, width) is the transfer set's; if the model's preprocessing
    resizes, the model is built for the new size. Initial weights are a function of ``seed`` and
    each module's name; torchvision's and custom models initialise themselves, so theirs are a
    function of ``seed`` and of the whole model. The caller's generator is left unchanged.

    Raises:
        ModelError: the model cannot be built; the message says why.
    """
    shape = config.model_shape(input_shape)
    with leave_generator(), torch.device("cpu"):
        if config.initialises_itself:
            torch.manual_seed(seed_of(seed, "init"))
            return config.build(shape, classes, folder)
        with torch.device("meta"):  # draws nothing; every weight comes from `initialise`
            model = config.build(shape, classes, folder)
        model.to_empty(device="cpu")
        initialise(model, seed)
        return model


def build_network(
    config: Model,
    transfer_set: TransferSet,
    folder: Path,
    *,
    path: str,
    seed: int = 0,
    weights: Weights | None = None,
    classes: Sequence[int] | None = None,
) -> Network:
    """The model as it is deployed, for pictures of ``transfer_set``, with ``weights`` if they are
    given; its files and code are relative to ``folder``.

    ``path`` is its place in the recipe, for messages. ``classes`` says what its outputs stand for,
    if not for all classes in order; the network's own are all classes in any case.

    Raises:
        ModelError, WeightsError: it cannot be built, or the weights cannot be read or do not fit.
    """
    model = build_model(
        config,
        input_shape=transfer_set.shape,
        classes=transfer_set.classes if classes is None else len(classes),
        seed=seed,
        folder=folder,
    )
    if weights is not None:
        load_weights(
            model,
            weights,
            path_in_recipe=f"{path}.weights",
            folder=folder,
            own_name=config.tensor_name,
        )
    first = Preprocess(config.preprocessing, mean=transfer_set.mean, std=transfer_set.std)
    return Network(first, model, spread_of(classes, transfer_set.classes))


def initialise(model: nn.Module, seed: int) -> None:
    """Gives every module of ``model`` its initial weights, in place.

    Each module draws from its own generator, seeded by ``seed_of(seed, "init", name)``:
    what a module starts from depends on its name and shape, and on nothing built before it,
    and the caller's generator is unchanged.

    Convolutions: normal with variance 2 / fan_in, for what follows is a ReLU (He et al., 2015,
    "Delving Deep into Rectifiers", equation 10). Linear layers: PyTorch's own, uniform within
    1 / sqrt(fan_in), weights and bias. Batch normalisation: scale 1, shift 0.

    Raises:
        TypeError: a module has tensors of its own and is none of these.
    """
    for name, module in model.named_modules():
        with leave_generator(), torch.no_grad():
            torch.manual_seed(seed_of(seed, "init", name))
            _reset(module, name)


def _reset(module: nn.Module, name: str) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, (nn.Linear, nn.BatchNorm2d)):
        module.reset_parameters()
    elif [*module.parameters(recurse=False), *module.buffers(recurse=False)]:
        # Uninitialised memory would otherwise become the weights.
        raise TypeError(f"module {name!r} is a {type(module).__name__}: no rule to initialise it")


def skeleton(config: Model, *, input_shape: Shape, classes: int, folder: Path) -> nn.Module:
    """The model on the meta device: names and shapes, without memory for weights.

    Raises:
        ModelError: the model cannot be built; the message says why.
    """
    shape = config.model_shape(input_shape)
    # Some compute with tensors while they are built, which the meta device cannot.
    with contextlib.suppress(ModelError) if config.initialises_itself else contextlib.nullcontext():
        return build_on("meta", config, shape, classes, folder)
    return build_on("cpu", config, shape, classes, folder).to("meta")


def build_on(device: str, config: Model, shape: Shape, classes: int, folder: Path) -> nn.Module:
    """The model for preprocessed pictures of ``shape`` on ``device``, with whatever weights.

    Raises:
        ModelError: the model cannot be built; the message says why.
    """
    with leave_generator(), torch.device(device):
        return config.build(shape, classes, folder).to(device)
