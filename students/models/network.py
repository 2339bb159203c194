"""A network as it is deployed: pictures as bytes in, logits of the transfer set's classes out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from students.errors import ModelError
from students.models.config import Preprocessing


class Preprocess(nn.Module):
    """Preprocessing of uint8 pictures before a model's first layer.

    In this order: scale to [0, 1], resize to a square of ``size`` pixels (bilinear, antialiased),
    reverse the channels, subtract ``mean`` and divide by ``std`` (each one number per channel,
    in the model's order of channels).
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, config: Preprocessing, *, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        """As ``config`` says.

        ``mean`` and ``std`` are the transfer set's own, one number for each channel (of pictures
        in [0, 1], in the transfer set's order of channels); used where ``config`` gives none.

        Raises:
            ModelError: the figures are not one per channel, or there is no order to reverse.
        """
        super().__init__()
        channels = len(mean)
        self._size = config.size
        self._reverse = config.channels == "bgr"
        if self._reverse and channels != 3:
            raise ModelError(
                f"`preprocessing.channels` is 'bgr', but the pictures have {channels} channel(s);"
                " leave it out",
                path="preprocessing.channels",
            )
        for name, given, own in (("mean", config.mean, mean), ("std", config.std, std)):
            if given is None:
                given = tuple(reversed(own)) if self._reverse else tuple(own)
            elif len(given) != channels:
                raise ModelError(
                    f"`preprocessing.{name}` is {list(given)}, but the pictures have {channels}"
                    " channel(s); give one number for each",
                    path=f"preprocessing.{name}",
                )
            per_channel = torch.tensor(given, dtype=torch.float32).reshape(1, -1, 1, 1)
            # Not persistent: a setting of the recipe, not part of the trained weights.
            self.register_buffer(name, per_channel, persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """uint8 [B, C, H, W] to float32 [B, C, H', W']."""
        scaled = pictures.to(torch.float32) / 255.0
        if self._size is not None and tuple(scaled.shape[-2:]) != (self._size, self._size):
            scaled = functional.interpolate(
                scaled, (self._size, self._size), mode="bilinear", antialias=True
            )
        if self._reverse:
            scaled = scaled.flip(1)
        return (scaled - self.mean) / self.std


UNKNOWN = -6e4
"""The logit of a class that a network does not cover: within float16, and so low that at the
highest temperature of a recipe (1000) the class has a probability below 1e-26."""


class Spread(nn.Module):
    """Comes after a network whose N outputs are, in this order, ``classes`` of ``total`` classes
    C: a specialist has some of them, and a network with another order has all.

    ``places`` [C] is the index of each class among the outputs, N for one that is not there.
    """

    places: Tensor

    def __init__(self, classes: Sequence[int], total: int) -> None:
        super().__init__()
        places = [len(classes)] * total
        for place, name in enumerate(classes):
            places[name] = place
        # Not persistent: it is a setting of the recipe, not part of the trained weights.
        self.register_buffer("places", torch.tensor(places), persistent=False)

    def forward(self, logits: Tensor) -> Tensor:
        """[B, N] to [B, C]: each at the index of its class, ``UNKNOWN`` elsewhere.

        A softmax over C is that of ``logits`` over N, with zeros for what is not known.
        """
        return functional.pad(logits, (0, 1), value=UNKNOWN).index_select(1, self.places)


def spread_of(classes: Sequence[int] | None, total: int) -> Spread | None:
    """Maps the outputs to the transfer set's classes; none if they are those classes in order."""
    if classes is None or tuple(classes) == tuple(range(total)):
        return None
    return Spread(classes, total)


class Network(nn.Module):
    """Preprocessing and model in one: what is trained, stored beside its report, deployed.

    A model whose outputs are not the transfer set's classes in their order is followed by a
    ``spread``, which puts each class at its index.
    """

    def __init__(
        self, preprocess: Preprocess, model: nn.Module, spread: Spread | None = None
    ) -> None:
        super().__init__()
        self.preprocess = preprocess
        self.model = model
        self.spread = spread

    def forward(self, pictures: Tensor) -> Tensor:
        """uint8 [B, C, H, W], any B, to logits float32 [B, classes], not softened."""
        logits: Tensor = self.model(self.preprocess(pictures))
        logits = logits.to(torch.float32)
        return logits if self.spread is None else self.spread(logits)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Puts ``model`` into evaluation mode, and each of its modules back into its own."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def weights_sha256(model: nn.Module) -> str:
    """The sha256 of a model's parameters and buffers.

    In the order of their names: name, type, shape, bytes (contiguous, little endian). To be
    called with the inner model, so that adapters and preprocessing do not count.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        stored = tensor.detach().cpu().contiguous()
        kind = str(stored.dtype).removeprefix("torch.")
        digest.update(f"{name}\0{kind}\0{list(stored.shape)}\0".encode())
        digest.update(stored.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
