"""What the parity gate says of a teacher: each cause in one sentence with its remedy."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.errors import some_of
from students.models.probabilities import Squashed
from teachers.qualification.parity_checks import Plausibility


def title_of(place: str) -> str:
    """What a teacher at ``place`` of the recipe is called."""
    return place.removeprefix("teachers.")


def not_deterministic(place: str) -> str:
    """That answers to the same samples differ from batch to batch."""
    return (
        f"`{place}` gives the same samples other answers in another batch; an answer must "
        "depend on the sample alone: take out what is random, or looks at the rest of the batch, "
        "in its evaluation mode (dropout, noise, batch statistics)"
    )


def no_logits(place: str, squashed: Squashed) -> str:
    """That a model ends in what makes probabilities of logits."""
    seen = "are above zero and add up to the same in each sample"
    if squashed == "sigmoid":
        seen = "all lie between 0 and 1"
    return (
        f"`{place}.model` returns probabilities, not logits (its outputs {seen}): softened "
        f"once more they are nearly the same for all classes, and teach nothing; take the "
        f"{squashed} off its end (`torch.log_softmax` in its place is as good)"
    )


def other_order(
    place: str, found: Plausibility, order: Sequence[int], outputs: Sequence[int]
) -> str:
    """That its outputs mean other classes, in this ``order``."""
    meant = [outputs[each] for each in order]
    pairs = zip(outputs, meant, strict=True)
    moved = [f"{here} is {there}" for here, there in pairs if here != there]
    return (
        f"`{place}` has its classes in another order than the recipe says: "
        f"{found.accuracy:.1%} of {found.samples} labelled samples are right, but "
        f"{found.reordered:.1%} where its class {some_of(moved, 5)}; set "
        f"`{place}.classes` to [{', '.join(map(str, meant))}]"
    )


def other_preprocessing(place: str, variant: str, settings: str) -> str:
    """That another ``variant`` of its preprocessing, of these ``settings``, fits its weights."""
    return (
        f"`{place}.model.preprocessing` does not fit the weights of teacher "
        f"'{title_of(place)}': it is right much more often with {variant}; set it to {settings}"
    )


def near_chance(place: str, found: Plausibility, *, mapped: bool, loaded: bool) -> str:
    """That it is right no more often than chance; ``mapped``: the recipe names its classes."""
    remedy = "check that these are the weights of this model and of these classes, give it other "
    remedy = f"{remedy}weights" if loaded else "train it longer"
    other = f"check `{place}.classes`, give it other weights" if mapped else remedy
    own = f", or set `{place}.gate` to warn" if place.startswith("teachers.") else ""
    return f"{_right(place, found)}; {other}{own}"


def too_few(place: str, found: Plausibility) -> str:
    """That samples are too few to tell."""
    return (
        f"{_right(place, found)}: these are too few, or too many of one class, to tell whether it "
        "may teach; give more labelled samples for certainty"
    )


def _right(place: str, found: Plausibility) -> str:
    return (
        f"`{place}` is right on {found.accuracy:.1%} of {found.samples} labelled samples, "
        f"where chance alone gives {found.chance:.1%} (so many or more with a probability of "
        f"{found.by_chance:.2g})"
    )


def unsure(place: str, found: Plausibility, confidence: float) -> str:
    """That its logits differ too little, as those of a cosine without a scale."""
    return (
        f"`{place}` is right on {found.accuracy:.1%} of {found.samples} labelled samples, "
        f"but its logits are so near each other that it gives the likeliest class {confidence:.1%} "
        "on average: softened, they are nearly the same for all classes; if they are cosines or "
        "were scaled down, scale them up in its model"
    )
