"""Finds the runs of a home, and the one that a word of the command line means."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import Problem, RecipeProblems
from orchestrator.home.process_lock import is_locked
from orchestrator.home.run_status import LOCK
from orchestrator.recipe.message_text import listed
from orchestrator.results.finished_run import REPORT, read_report
from orchestrator.results.run_report import RunReport
from orchestrator.results.study_report import STUDY

LATEST = "latest"
_NAMED = 3
"""So many names at most stand in a sentence."""


@dataclass(frozen=True)
class StoredRun:
    """A run's folder and the report in it; ``written`` is the report's time, in s since 1970."""

    folder: Path
    report: RunReport
    written: float

    @property
    def running(self) -> bool:
        """Whether some process runs it now."""
        return is_locked(self.folder / LOCK)


@dataclass(frozen=True)
class StoredRuns:
    """All runs of a home, the newest first; ``unreadable`` are folders with a damaged report."""

    home: Path
    runs: tuple[StoredRun, ...]
    unreadable: tuple[Path, ...]


def find_runs(home: Path) -> StoredRuns:
    """Reads the reports of all runs in ``home``."""
    runs: list[StoredRun] = []
    unreadable: list[Path] = []
    for report in sorted(home.glob(f"runs/*@*/{REPORT}")):
        try:
            written = report.stat().st_mtime
            runs.append(StoredRun(report.parent, read_report(report.parent), written))
        except (OSError, ValueError):
            unreadable.append(report.parent)
    newest_first = sorted(runs, key=lambda run: run.written, reverse=True)
    return StoredRuns(home, tuple(newest_first), tuple(unreadable))


def find_run(word: str, stored: StoredRuns) -> StoredRun:
    """The run that ``word`` means: a run's name (the newest of it), ``name@`` and the beginning
    of its digest, or ``latest``.

    Raises:
        RecipeProblems: it means none, or several.
    """
    name, _, digest = word.partition("@")
    fitting = [
        run
        for run in stored.runs
        if word == LATEST
        or (run.report.name == name and run.report.recipe_digest.startswith(digest))
    ]
    if "@" in word and len(fitting) > 1:
        titles = _some(run.report.title for run in fitting)
        raise RecipeProblems.of(f"`RUN` is '{word}', which fits {titles}; give more of the digest")
    if fitting:
        return fitting[0]
    study = stored.home / "studies" / word
    if (study / STUDY).exists():
        raise RecipeProblems.of(
            f"`RUN` is '{word}', which is a study and no run; its page is in '{study}', and "
            "`stillhouse list --studies` shows all"
        )
    if not stored.runs and not stored.unreadable:
        raise RecipeProblems.of(
            f"`RUN` is '{word}', but '{stored.home}' has no run; run a recipe first, or "
            "give another home with --home or STILLHOUSE_HOME"
        )
    damaged = [folder for folder in stored.unreadable if folder.name.startswith(word)]
    if damaged or not stored.runs:
        report = (damaged or stored.unreadable)[0] / REPORT
        raise RecipeProblems.of(
            f"`RUN` is '{word}', but '{report}' is damaged; run the recipe again to replace it"
        )
    raise RecipeProblems.of(
        f"`RUN` is '{word}', but no run is called that; {_nearest(word, stored.runs)}"
    )


def find_distinct(words: Sequence[str], stored: StoredRuns) -> list[StoredRun]:
    """The runs that ``words`` mean, in their order; at least two, each once.

    Raises:
        RecipeProblems: with every word that means no run, or the same as one before.
    """
    if len(words) < 2:
        given = "1 `RUN` is" if words else "0 `RUN` are"
        raise RecipeProblems.of(f"{given} given, but it takes two to compare; name another")
    found: list[StoredRun] = []
    problems: list[Problem] = []
    for word in words:
        try:
            run = find_run(word, stored)
            if run in found:
                title = run.report.title
                raise RecipeProblems.of(
                    f"`RUN` is '{word}', but {title} is named already; name another run"
                )
            found.append(run)
        except RecipeProblems as problem:
            problems += problem.problems
    if problems:
        raise RecipeProblems(problems)
    return found


def _nearest(word: str, runs: Sequence[StoredRun]) -> str:
    """The remedy for a name that no run has: the nearest ones, or the newest."""
    name, at, _ = word.partition("@")
    if namesakes := [run.report.title for run in runs if run.report.name == name]:
        return f"there is {_some(namesakes)}"
    names = dict.fromkeys(run.report.title if at else run.report.name for run in runs)
    if near := difflib.get_close_matches(word, names, n=_NAMED, cutoff=0.6):
        return f"did you mean {_some(near, 'or')}?"
    return f"there is {_some(names)}; `stillhouse list` shows all"


def _some(names: Iterable[str], last: str = "and") -> str:
    return listed((f"`{name}`" for name in names), last, most=_NAMED)
