"""What the digits are known by: a constant, for they come with a package and never change."""

from __future__ import annotations

DIGITS_IDENTITY = "ee6d0aae678dea2e3d60e0529654f576ea09f209ea944acff4d10ab31fad3f34"
"""sha256 of the digits' shape, classes, targets and pictures (``digits.content_of``)."""
