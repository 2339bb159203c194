"""Lengths, directions and distances of vectors, with gradients that are finite at zero too.

B batch, F features.
"""

from __future__ import annotations

from students.lazy_imports import Float, Tensor, torch

SHORTEST = 1e-12
"""Below this length a vector has no direction; as in torch's ``normalize``."""


def lengths(vectors: Float[Tensor, "... features"]) -> Float[Tensor, "..."]:
    """Euclidean lengths along the last axis; the root's gradient is taken as 0 at 0."""
    squares = vectors.square().sum(dim=-1)
    return torch.where(squares > 0, torch.where(squares > 0, squares, 1.0).sqrt(), 0.0)


def directions(
    vectors: Float[Tensor, "..."], *, dim: int, shortest: float | Tensor = SHORTEST
) -> Float[Tensor, "..."]:
    """Vectors along ``dim`` divided by their length.

    One that is no longer than ``shortest`` has no direction: it becomes zero, with zero gradient
    (where ``normalize`` divides by a tiny number and sends its reciprocal back).
    """
    squares = vectors.square().sum(dim=dim, keepdim=True)
    long = squares.detach().sqrt() > shortest
    # On the small tensor of lengths, so that the large one is read once.
    return vectors * torch.where(long, torch.where(long, squares, 1.0).rsqrt(), 0.0)


def distances(vectors: Float[Tensor, "batch features"]) -> Float[Tensor, "batch batch"]:
    """Euclidean distances between all pairs, of differences: equal rows have distance 0.

    The usual way by a product of matrices leaves rounding errors where the distance is 0; their
    square root would be a distance, and its gradient a direction.
    """
    return torch.cdist(vectors, vectors, compute_mode="donot_use_mm_for_euclid_dist")


def mean_distance(distances_BB: Float[Tensor, "batch batch"]) -> Float[Tensor, ""]:
    """The mean over pairs of two different samples; 0 where there are fewer than two."""
    count = distances_BB.shape[0]
    return distances_BB.sum() / max(count * (count - 1), 1)
