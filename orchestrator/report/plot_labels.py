"""What stands for a class in a picture: its name, or its number where the name cannot be drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from matplotlib.font_manager import FontProperties, findfont, get_font

MOST_NAMES = 30
"""More classes than that are not named beside a heat map."""
_LONGEST = 30
"""Characters of a name that leave room for the heat map itself."""


def class_labels(names: Sequence[str]) -> tuple[str, ...]:
    """The label of each class, in order; text that is drawn as it stands, never as mathematics."""
    font = get_font(findfont(FontProperties()))
    short = [name if len(name) <= _LONGEST else f"{name[:20]}…{name[-9:]}" for name in names]
    times = Counter(short)
    return tuple(
        name.replace("$", r"\$")
        if times[name] == 1 and all(font.get_char_index(ord(each)) for each in name)
        else f"#{number}"
        for number, name in enumerate(short)
    )


def numbers_explained(names: Sequence[str]) -> str:
    """A sentence on the classes that are shown by their numbers; empty if there are none."""
    if len(names) > MOST_NAMES:
        return ""
    labels = class_labels(names)
    numbered = [
        f"{label} is {name}"
        for number, (label, name) in enumerate(zip(labels, names, strict=True))
        if label == f"#{number}" != name
    ]
    if not numbered:
        return ""
    return f" Names that cannot be drawn are replaced by numbers: {', '.join(numbered)}."
