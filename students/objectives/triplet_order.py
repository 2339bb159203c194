"""The triplet term: the teachers vote on which of two samples is nearer to a third.

B batch, K teachers, T triplets, F features.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import Field

from students.lazy_imports import Bool, Float, Int, Tensor, np, npt, torch
from students.objectives.geometry import lengths
from students.objectives.softening import at_least_single
from students.objectives.term import Guided, HintLayer, Layer, Term, TermInputs
from students.randomness import generator

Positions: TypeAlias = "npt.NDArray[np.int64]"


def votes(
    embeddings: Float[Tensor, "batch features"],
    present: Bool[Tensor, " batch"],
    triplets_T3: Int[Tensor, "triplets 3"],
) -> Int[Tensor, " triplets"]:
    """One teacher's vote on each triplet (anchor, first, second): 1 where the first of the two
    is nearer to the anchor, -1 where the second is, 0 where both are as near or it did not
    answer one of the three, whatever its embedding then holds."""
    vectors = at_least_single(embeddings)
    anchor, first, second = triplets_T3.unbind(dim=1)
    to_first = (vectors[anchor] - vectors[first]).square().sum(dim=1)
    to_second = (vectors[anchor] - vectors[second]).square().sum(dim=1)
    vote = (to_second > to_first).long() - (to_second < to_first).long()
    return torch.where(present[triplets_T3].all(dim=1), vote, 0)


def triplet_order_loss(
    student: Float[Tensor, "batch features"],
    majority: Int[Tensor, " triplets"],
    triplets_T3: Int[Tensor, "triplets 3"],
    *,
    margin: float,
) -> Float[Tensor, ""]:
    """max(0, d(near) - d(far) + margin), mean over the triplets on which there is a majority.

    d are Euclidean distances from the anchor; ``majority`` is above 0 where the first of the two
    others is to be the nearer one, below 0 where the second is, and 0 where the votes are even:
    that triplet is dropped. 0 where all are dropped, and where the student keeps every order
    with the margin. Unlike relations by distance it depends on the scale of the student's layer.
    Source: our reading of You, Xu, Xu & Tao (2017), of which we know the idea (relative
    dissimilarity of triplets, voted on by the teachers) but neither the formula nor constants;
    the margin of 0.2 is that of AMTML-KD's released code.
    """
    vectors = at_least_single(student)
    anchor, first, second = triplets_T3.unbind(dim=1)
    to_first = lengths(vectors[anchor] - vectors[first])
    to_second = lengths(vectors[anchor] - vectors[second])
    excess = torch.sign(majority) * (to_first - to_second) + margin
    kept = majority != 0
    return torch.where(kept, excess.relu(), 0.0).sum() / kept.sum().clamp(min=1)


class TripletOrder(Term):
    """Which of two samples is nearer to a third, by the majority of teachers: our reading of
    You et al. (2017), whose constants we do not have."""

    min_samples: ClassVar[int] = 3
    kind: Literal["triplet_order"] = "triplet_order"
    layers: dict[str, Layer] = Field(
        min_length=1, description="the layer of each teacher that has a vote"
    )
    guided: Layer
    margin: Annotated[float, Field(ge=0)] = 0.2
    triplets: Annotated[int, Field(ge=1)] = Field(256, description="most in one micro-batch")

    def hint_layers(self) -> tuple[tuple[str, HintLayer], ...]:
        """A layer of each teacher that has a vote."""
        return tuple(
            (f"layers.{teacher}", HintLayer(teacher, layer, "embedding"))
            for teacher, layer in self.layers.items()
        )

    def guided_layers(self, name: str) -> dict[str, Guided]:
        """The student's layer."""
        return {name: Guided(self.guided, None)}

    def restricted_to(self, teacher: str) -> Self | None:
        """With the one vote of this teacher, if it has one."""
        own = {name: layer for name, layer in self.layers.items() if name == teacher}
        return self.model_copy(update={"layers": own}) if own else None

    def loss(self, inputs: TermInputs) -> Tensor:
        """``triplet_order_loss`` of the student's layer, on the triplets drawn for this batch.

        Each teacher of ``layers`` has one vote, whatever its weight.
        """
        student, batch = inputs.outputs[inputs.name], inputs.batch
        drawn = torch.from_numpy(draw_triplets(batch.sample_ids, batch.view, self.triplets))
        drawn = drawn.to(student.device)
        cast = [
            votes(pair.of_teacher(inputs.knowledge), pair.present(inputs.knowledge), drawn)
            for pair in inputs.layers
        ]
        majority = torch.stack(cast).sum(dim=0)
        return triplet_order_loss(student, majority, drawn, margin=self.margin)


def draw_triplets(sample_ids: npt.NDArray[np.int64], view: int, most: int) -> Positions:
    """Positions [T, 3] in the micro-batch: an anchor and two others, no triplet twice.

    Which of the two others stands first does not matter, so there are B (B-1) (B-2) / 2; all
    come if that is at most ``most``, else ``most`` of them drawn without replacement, the same
    for the same samples in the same order under the same view, wherever that is.
    """
    samples = len(sample_ids)
    of_anchor = (samples - 1) * (samples - 2) // 2
    total = samples * of_anchor
    if total <= most:
        return _triplets_of(np.arange(total), samples)
    spelled = np.asarray(sample_ids, dtype="<i8").tobytes().hex()
    random = generator(view, "triplets", spelled)
    return _triplets_of(random.choice(total, most, replace=False, shuffle=False), samples)


def _triplets_of(numbers: npt.NDArray[np.int64], samples: int) -> Positions:
    """The triplets of these numbers: each anchor has the pairs of all others in turn."""
    first, second = np.triu_indices(max(samples - 1, 0), k=1)
    anchors, pair = np.divmod(numbers, max(len(first), 1))
    others = np.stack([first[pair], second[pair]], axis=1)
    # Numbers of others leave the anchor out, so those from the anchor on are one further.
    return np.column_stack([anchors, others + (others >= anchors[:, None])])
