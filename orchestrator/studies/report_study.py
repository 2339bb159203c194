"""Reports a study: while it runs, and with winners, references, page and pictures when it ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from orchestrator.recipe.message_text import listed
from orchestrator.report.render_study import main_score
from orchestrator.report.render_study_page import Pictures, write_study_page
from orchestrator.report.study_values import score_title, short_names
from orchestrator.results.study_report import (
    Outcome,
    StudyReport,
    TrialReport,
    Winner,
    read_study,
    write_study,
)
from orchestrator.studies.references import References
from orchestrator.studies.study import Study
from orchestrator.studies.trial_records import TrialRecords
from search.errors import StudyError
from search.explore import StudyWatcher
from search.front import extend_front, front_of
from search.trials import FinishedTrial

_SECONDS_BETWEEN_WRITES = 5.0


class StudyReporting(StudyWatcher):
    """Writes the report of ``study``, which ``began`` on the monotonic clock.

    While it runs the report says ``interrupted``, so that a study which is killed is listed too.
    """

    def __init__(self, study: Study, began: float) -> None:
        self._study = study
        self._began = began
        self._known = study.stored.known()
        self._front = front_of(study.spec.config, self._known)
        self._written = began
        self.records = TrialRecords(study.folder)
        if not study.stored.has_trials:  # Those there are of a study that was deleted.
            self.records.clear()

    def begin(self) -> None:
        """Writes the trials that were finished before."""
        self._write("interrupted")

    def on_finish(self, trial: FinishedTrial) -> None:
        """Writes the trials that are finished, unless it was done moments ago."""
        if trial.number < len(self._known):
            return  # It was finished before.
        self._known.append(trial)
        self._front = extend_front(self._study.spec.config, self._front, trial)
        if time.monotonic() > self._written + _SECONDS_BETWEEN_WRITES:
            self._write("interrupted")

    def read_complete(self) -> StudyReport | None:
        """The report that is stored, if it is of all that is asked."""
        study, config = self._study, self._study.spec.config
        try:
            report = read_study(study.folder)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        seeds = {len(each.values) for winner in report.winners for each in winner.repeats.values()}
        known = len(self._known)
        is_whole = (
            report.outcome == "done"
            and report.asked == max(config.trials, known)
            and len(report.trials) == known
            and report.front == tuple(trial.number for trial in self._front)
            and seeds <= {config.repeats}
            and all(bool(winner.repeats) == bool(config.repeats) for winner in report.winners)
        )
        return report if is_whole else None

    def fail(self, error: BaseException) -> None:
        """Writes the report of a study that ``error`` has ended."""
        outcome: Outcome = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        with suppress(StudyError, OSError):  # Why the study has ended is what the user must see.
            self._write(outcome)

    def finish(self, winners: tuple[Winner, ...], references: References) -> StudyReport:
        """Writes report, page and pictures; gives the report."""
        report = self._report(
            "done",
            winners=winners,
            shared=self.records.shared(trial.number for trial in self._known),
            references=references.models(),
            remarks=(*self._remarks(), *references.missing),
        )
        return write_study_page(self._study.folder, report, self._draw)

    def _write(self, outcome: Outcome) -> None:
        write_study(self._study.folder, self._report(outcome))
        self._written = time.monotonic()

    def _report(self, outcome: Outcome, **more: Any) -> StudyReport:
        study, config = self._study, self._study.spec.config
        return StudyReport(
            name=study.search.name,
            study=study.stored.name,
            outcome=outcome,
            seconds=time.monotonic() - self._began,
            scores={str(name): each for name, each in config.scores.items()},
            # Fewer than there are, if that was lowered.
            asked=max(config.trials, len(self._known)),
            seeds=config.seeds,
            limits={str(name): each for name, each in config.limits.items()},
            trials=tuple(map(_trial, self._known)),
            front=tuple(trial.number for trial in self._front),
            artifacts={"study.json": str(study.folder / "study.json")},
            **more,
        )

    def _remarks(self) -> Iterator[str]:
        study, config = self._study, self._study.spec.config
        if study.search.outside:
            paths = listed(f"`{path}`" for path in study.search.outside)
            yield (
                f"Trial 0 has not the recipe's own values: those of {paths} lie outside the space."
            )
        if config.from_ is not None:
            count = len(study.spec.foreign)
            yield f"Known from the start: {count} trials of study '{config.from_}'."
        if (count := len(self._known)) < config.trials:
            yield f"The space has no more than {count} points, and all were tried."

    def _draw(self, report: StudyReport) -> Pictures:
        # Pictures take seconds to import.
        from orchestrator.report.plot_study import study_drawings
        from orchestrator.report.plots import Picture, save_pictures
        from search.figures import Drawn, draw_figures

        folder, config = self._study.folder, self._study.spec.config
        own, failed = save_pictures(study_drawings(report), folder)
        names = short_names(name for trial in report.trials for name in trial.params)
        score = next(each for each in config.scores if each == main_score(report))
        of = Drawn(score, score_title(score), 100.0 if score == "accuracy" else 1.0)
        figures, more = draw_figures(self._known, config, names, of, folder)
        pictures = (Picture(each.file, each.title, each.caption) for each in figures)
        return (*own, *pictures), (*failed, *more)


def _trial(trial: FinishedTrial) -> TrialReport:
    return TrialReport(
        trial.number,
        trial.result.state.name,
        trial.frozen.params,
        trial.overrides,
        trial.result.scores,
        trial.result.seconds,
        trial.result.reason,
    )
