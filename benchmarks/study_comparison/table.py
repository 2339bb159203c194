"""The comparison over the rounds: medians, and ratios taken within a round."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median

from benchmarks.study_comparison.study_times import StudyTimes

GOAL = 1.1
"""The study, relative to one filling of the bank and as many untaught students."""


@dataclass
class Measured:
    """Seconds: of each round's study, filling and untaught students; and of those separate runs
    that were measured, of as many as there are ``trials``."""

    trials: int
    studies: list[StudyTimes] = field(default_factory=list)
    fillings: list[float] = field(default_factory=list)
    untaught: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)
    textbrewer: list[float] = field(default_factory=list)

    @property
    def study(self) -> float:
        """The median over the rounds."""
        return median(study.whole for study in self.studies)

    def ratios(self, seconds: Callable[[StudyTimes], float]) -> list[float]:
        """Of what ``seconds`` counts of a study, relative to its parts alone; a slow round slows
        all."""
        rounds = zip(self.studies, self.fillings, self.untaught, strict=True)
        return [seconds(study) / (filling + untaught) for study, filling, untaught in rounds]

    def lines(self) -> Iterator[str]:
        """The table."""
        yield f"{'':44s} {'seconds':>9s}  (rounds)"
        for name, seconds in (
            (f"study of {self.trials} trials", [each.whole for each in self.studies]),
            ("  start, checks of the recipe", [each.start for each in self.studies]),
            ("  trials under way", [each.training for each in self.studies]),
            ("  between them", [each.batches - each.training for each in self.studies]),
            ("  test part, references, page, MLflow", [each.end for each in self.studies]),
            ("one filling of the bank", self.fillings),
            (f"{self.trials} untaught students", self.untaught),
        ):
            yield f"{name:44s} {median(seconds):9.1f}  {_spread(seconds, '{:.1f}')}"
        for name, seconds in (("ours", self.ours), ("TextBrewer", self.textbrewer)):
            yield self._separate(name, seconds)
        yield self._ratio(
            f"study / (filling + untaught), at most {GOAL:.2f}", lambda each: each.whole
        )
        yield self._ratio(
            "  up to the end of its last trial", lambda each: each.start + each.batches
        )

    def _ratio(self, name: str, seconds: Callable[[StudyTimes], float]) -> str:
        found = self.ratios(seconds)
        return f"{name:44s} {median(found):9.2f}  {_spread(found, '{:.2f}')}"

    def _separate(self, whose: str, seconds: Sequence[float]) -> str:
        name = f"{self.trials} separate runs of {whose}"
        if not seconds:
            return f"{name:44s} {'-':>9s}  not measured"
        whole = self.trials * fmean(seconds)
        return (
            f"{name:44s} {whole:9.1f}  {whole / self.study:.2f} times the study "
            f"({len(seconds)} measured, {_spread(seconds, '{:.1f}')[1:-1]} s each)"
        )


def _spread(values: Sequence[float], form: str) -> str:
    return f"({form.format(min(values))} to {form.format(max(values))})"
