"""What a study raises."""

from __future__ import annotations


class StudyError(Exception):
    """The study cannot go on as it is asked for; the sentence says why and what to do."""


class StudyExists(StudyError):
    """A study of that name asks something else."""


class TrialPruned(Exception):
    """The trial is not worth its remaining steps; the sentence says why."""


class TrialFailed(Exception):
    """The trial cannot be trained to its end; the sentence says why."""
