"""Where the time of a study went, from the times that its storage has for each trial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.results.study_report import COMPLETE, read_study
from search.study import close_storage, open_storage


@dataclass(frozen=True)
class StudyTimes:
    """Seconds of a study: from the command's ``start`` to the first trial; of the batches, from the
    first proposal to the last trial's end, of which ``training`` are those in which a trial was
    under way; and of the ``end``: the test part, references, page, pictures, MLflow."""

    start: float
    batches: float
    training: float
    end: float

    @property
    def whole(self) -> float:
        """From the command to its end."""
        return self.start + self.batches + self.end


def read_times(home: Path, began: float, ended: float, parallel: int) -> StudyTimes:
    """The times of the one study in ``home``; ``began`` and ``ended`` are seconds since 1970.

    Raises:
        RuntimeError: a trial of it was not trained to its end.
    """
    [folder] = (path.parent for path in (home / "studies").glob("*/study.json"))
    report = read_study(folder)
    if any(trial.state != COMPLETE for trial in report.trials):
        raise RuntimeError(f"trials: {[(each.state, each.reason) for each in report.trials]}")
    first, last = _first_and_last(home, report.study)
    training = seconds_under_way([trial.seconds for trial in report.trials], parallel)
    return StudyTimes(first - began, last - first, training, ended - last)


def seconds_under_way(seconds: Sequence[float], parallel: int) -> float:
    """In how many seconds a trial was under way: those of the longest in each batch."""
    firsts = range(0, len(seconds), parallel)
    return sum(max(seconds[first : first + parallel]) for first in firsts)


def _first_and_last(home: Path, study: str) -> tuple[float, float]:
    """When the first trial began and the last one ended, in seconds since 1970."""
    storage = open_storage(f"sqlite:///{home / 'study.db'}")
    try:
        trials = storage.get_all_trials(storage.get_study_id_from_name(study))
        begun = [each.datetime_start.timestamp() for each in trials if each.datetime_start]
        ended = [each.datetime_complete.timestamp() for each in trials if each.datetime_complete]
    finally:
        close_storage(storage)
    return min(begun), max(ended)
