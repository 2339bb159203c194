"""Adapters: bring a student's guided layer to the shape of a teacher's hint.

An adapter is a regressor that is trained with the student and discarded after training
(Romero et al., 2015, section 2.2). It is one linear map per position and a change of size,
nothing more: batch normalisation would tie the hint to the rest of the micro-batch, and a
ReLU at the end (both are in RepDistiller's ConvReg) could not reach the negative values of a
hint that is taken before its activation.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from students.errors import ObjectiveError
from students.models.taps import reduced
from students.randomness import seed_of
from students.torch_state import leave_generator

Shape = tuple[int, ...]


def can_bridge(guided_shape: Shape, hint_shape: Shape) -> str | None:
    """Why there is no adapter between these shapes per sample, with the remedy; or none."""
    match len(guided_shape), len(hint_shape):
        case (1, 1) | (3, 1) | (3, 3):
            return None
        case (2, 2) if guided_shape[0] == hint_shape[0]:
            return None
        case (2, 2):
            remedy = "name layers with the same number of positions"
        case (1, 3):
            remedy = "guide a layer that has positions, or take a hint with `reduction: pool`"
        case _:
            remedy = "name layers of shape (C, H, W) or (D)"
    return (
        f"a guided layer of shape {guided_shape} has no adapter to a hint of shape {hint_shape};"
        f" {remedy}"
    )


def build_adapter(
    guided_shape: Shape,
    hint_shape: Shape,
    *,
    seed: int,
    name: str = "",
) -> nn.Module:
    """An adapter from ``guided_shape`` to ``hint_shape`` (both per sample, ``hint`` reduced).

    - (C, H, W) to (C', H', W'): a 1x1 convolution, after average pooling where the hint is
      smaller, before bilinear interpolation where it is larger. Either commutes with the
      convolution, so this is only the cheaper order.
    - (C, H, W) to (D'): the mean over all positions, then a linear map.
    - (D) to (D'), (L, D) to (L, D'): a linear map of the last axis.

    Initial weights depend on ``seed`` and ``name`` (the term's) alone.

    Raises:
        ObjectiveError: the shapes cannot be bridged.
    """
    problem = can_bridge(guided_shape, hint_shape)
    if problem is not None:
        place = f"objective.{name}"
        raise ObjectiveError(f"`{place}` cannot be computed: {problem}.", path=place)
    with leave_generator():
        torch.manual_seed(seed_of(seed, "adapters", name))
        if len(hint_shape) == 3:
            return _between_maps(guided_shape, hint_shape)
        if len(guided_shape) == 3:
            pool = (nn.AdaptiveAvgPool2d(1), nn.Flatten(1))
            return nn.Sequential(*pool, nn.Linear(guided_shape[0], hint_shape[0]))
        return nn.Linear(guided_shape[-1], hint_shape[-1])


class Embedding(nn.Module):
    """One vector per sample of any layer's output: [B, C, H, W] and [B, L, D] averaged over
    positions, [B, D] as it is. It has no parameters."""

    def forward(self, features: Tensor) -> Tensor:
        """[B, ...] to [B, D]."""
        return reduced(features, "embedding")


def _between_maps(guided_shape: Shape, hint_shape: Shape) -> nn.Module:
    channels, height, width = guided_shape
    hint_channels, hint_height, hint_width = hint_shape
    convolution = nn.Conv2d(channels, hint_channels, kernel_size=1)
    if (height, width) == (hint_height, hint_width):
        return convolution
    if height < hint_height or width < hint_width:
        # Either side may be the larger one.
        size = (hint_height, hint_width)
        return nn.Sequential(convolution, nn.Upsample(size, mode="bilinear", align_corners=False))
    if height % hint_height == 0 and width % hint_width == 0:
        window = (height // hint_height, width // hint_width)
        return nn.Sequential(nn.AvgPool2d(window), convolution)
    return nn.Sequential(nn.AdaptiveAvgPool2d((hint_height, hint_width)), convolution)
