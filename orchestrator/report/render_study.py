"""Shows a study: its leaderboard or Pareto front, its winners on fresh seeds, what was shared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.formatting import (
    ABSENT,
    Grid,
    counted,
    format_duration,
    print_grid,
    print_sentences,
)
from orchestrator.report.study_values import (
    SCORE_NAMES,
    drawn_text,
    format_score,
    reference_score,
    score_column,
    score_text,
    score_title,
    short_names,
)
from orchestrator.results.study_report import (
    COMPLETE,
    FAIL,
    PRUNED,
    SeedScores,
    StudyReport,
    TrialReport,
    Winner,
    recipe_file,
)
from search.config import LEARNED

_LEADERS = 10
"""Trials on a leaderboard."""


def print_study(report: StudyReport) -> None:
    """Prints tables and sentences of a study; fits 100 columns."""
    print_sentences([headline(report)])
    for grid in study_tables(report):
        print_grid(grid)
    print_sentences(study_summary(report))


def headline(report: StudyReport) -> str:
    """How the study ended, in a line."""
    time = format_duration(report.seconds)
    return f"{report.study}: {report.outcome}, {_trials_done(report)}, in {time}"


def _trials_done(report: StudyReport) -> str:
    counts = {state: sum(t.state == state for t in report.trials) for state in (PRUNED, FAIL)}
    parts = [f"{counts[PRUNED]} pruned"] if counts[PRUNED] else []
    parts += [f"{counts[FAIL]} failed"] if counts[FAIL] else []
    some = f" ({', '.join(parts)})" if parts else ""
    return f"{len(report.trials)} of {counted(report.asked, 'trial')}{some}"


def best_text(report: StudyReport) -> str:
    """The best trial by the first score, with its scores; ``-`` where none is complete."""
    if not report.best_first:
        return ABSENT
    best = report.best_first[0]
    return ", ".join(score_text(name, best.scores[name]) for name in report.scores)


def study_tables(report: StudyReport) -> tuple[Grid, ...]:
    """The tables for which there are figures."""
    tables = []
    if len(report.scores) > 1 and report.front:
        tables.append(trials_table(report, _front(report), "Pareto front (validation part)"))
    elif report.best_first:
        best = report.best_first[:_LEADERS]
        means = f", mean over {report.seeds} seeds" if report.seeds > 1 else ""
        tables.append(trials_table(report, best, f"Leaderboard (validation part{means})"))
    if report.winners:
        tables += [_winners(report, name) for name in _learned_scores(report)]
    if report.references:
        tables.append(_references(report))
    return tuple(tables)


def _front(report: StudyReport) -> list[TrialReport]:
    """The front in the order of the second score."""
    others = list(report.scores)[1:]
    trials = map(report.trial, report.front)
    return sorted(trials, key=lambda trial: [trial.scores[name] for name in others])


def trials_table(report: StudyReport, trials: Sequence[TrialReport], title: str) -> Grid:
    """Trials with their scores and what was drawn."""
    short = short_names(name for trial in report.trials for name in trial.params)
    headers = ("trial", "drawn", *(SCORE_NAMES[name] for name in report.scores))
    rows = tuple(
        (
            str(trial.number),
            drawn_text(trial.params, short),
            *(format_score(name, trial.scores.get(name)) for name in report.scores),
        )
        for trial in trials
    )
    return Grid(title, headers, rows, words=2)


def all_trials_table(report: StudyReport) -> Grid:
    """Every trial with its state, its time, and why it was ended."""
    plain = trials_table(report, report.trials, "All trials")
    rows = tuple(
        (*row[:2], _state(trial), *row[2:], format_duration(trial.seconds))
        for row, trial in zip(plain.rows, report.trials, strict=True)
    )
    return Grid(plain.title, (*plain.headers[:2], "state", *plain.headers[2:], "time"), rows, 3)


def _state(trial: TrialReport) -> str:
    state = {COMPLETE: "complete", PRUNED: "pruned", FAIL: "failed"}[trial.state]
    return state if trial.reason is None else f"{state}: {trial.reason}"


def main_score(report: StudyReport) -> str:
    """The score that pictures show: the first that only training shows, if one was asked for."""
    return next((name for name in report.scores if name in LEARNED), next(iter(report.scores)))


def _learned_scores(report: StudyReport) -> tuple[str, ...]:
    """The scores that were asked for and that only training shows; accuracy if there is none."""
    return tuple(name for name in report.scores if name in LEARNED) or ("accuracy",)


def _winners(report: StudyReport, name: str) -> Grid:
    """The winners by one score that only training shows."""
    costs = [each for each in report.scores if each not in LEARNED]
    seeds, test = _seeds(report), f"test {score_column(name)}"
    title = "Winners (not trained on fresh seeds)"
    if report.seeds > 1:
        title = "Winners (not trained on fresh seeds; test part: the student of the first seed)"
    if seeds:
        title = f"Winners (mean ± standard deviation over {counted(seeds, 'fresh seed')})"
    fresh = ("fresh seeds", "shrank by", f"{test}, fresh seeds") if seeds else (test,)
    headers = ("trial", *(SCORE_NAMES[each] for each in costs), score_title(name), *fresh)
    rows = tuple(
        (
            f"{winner.trial} ({recipe_file(winner.trial)})",
            *(format_score(cost, winner.scores[cost]) for cost in costs),
            *_shrinkage(winner, name),
            _over_seeds(name, winner.test_repeats[name])
            if seeds
            else format_score(name, getattr(winner.test, name)),
        )
        for trial in _front(report)
        for winner in report.winners
        if winner.trial == trial.number
    )
    return Grid(title, headers, rows)


def _seeds(report: StudyReport) -> int:
    repeats = report.winners[0].repeats if report.winners else {}
    return len(repeats["accuracy"].values) if repeats else 0


def _shrinkage(winner: Winner, name: str) -> Iterator[str]:
    """A score of the trial; over fresh seeds; by how much that is worse."""
    yield format_score(name, winner.scores[name])
    if name in winner.repeats:
        yield _over_seeds(name, winner.repeats[name])
        yield _signed(name, shrinkage(winner, name))


def shrinkage(winner: Winner, name: str) -> float:
    """By how much the mean over fresh seeds is worse than the trial's score; below 0 if better."""
    less = winner.scores[name] - winner.repeats[name].mean
    return less if name == "accuracy" else -less


def _signed(name: str, value: float) -> str:
    return f"{100 * value:+.2f}" if name == "accuracy" else f"{value:+.4f}"


def _over_seeds(name: str, scores: SeedScores) -> str:
    if scores.sd is None:
        return format_score(name, scores.mean)
    return f"{format_score(name, scores.mean)} ± {format_score(name, scores.sd)}"


def _references(report: StudyReport) -> Grid:
    costs = [name for name in report.scores if name not in LEARNED] or ["parameters"]
    names = _learned_scores(report)
    headers = ["model", *(SCORE_NAMES[name] for name in costs)]
    headers += [f"{part} {score_column(name)}" for name in names for part in ("validation", "test")]
    rows = tuple(
        (
            f"teacher {label}" if model.role == "teacher" else label,
            *(format_score(cost, reference_score(model, cost)) for cost in costs),
            *(
                cell
                for name in names
                for cell in (
                    format_score(name, reference_score(model, name))
                    + ("*" if model.seen_training else ""),
                    format_score(name, getattr(model.test, name)),
                )
            ),
        )
        for label, model in report.references.items()
    )
    title = "References (untaught: the student of the recipe's own values)"
    return Grid(title, tuple(headers), rows)


def study_summary(report: StudyReport) -> tuple[str, ...]:
    """The sentences below the tables."""
    return (
        *_optimistic(report),
        *_without_winners(report),
        *_luck(report),
        *_best(report),
        *_sharing(report),
        *report.remarks,
    )


def _optimistic(report: StudyReport) -> Iterator[str]:
    if any(model.seen_training for model in report.references.values()):
        yield (
            "* These weights have seen the training samples, of which the validation part is "
            "taken: the validation accuracy is optimistic, the test accuracy is not."
        )


def _without_winners(report: StudyReport) -> Iterator[str]:
    if report.outcome == "done" and not report.front:
        kept = " and keeps the limits" if report.limits else ""
        yield f"No trial is complete{kept}, so there is no winner; the reasons are in study.md."


def _luck(report: StudyReport) -> Iterator[str]:
    """The winners' shrinkage: the best of many trials on the same seeds is partly luck."""
    if not _seeds(report) or not set(report.scores) & set(LEARNED):
        return
    name, complete = _learned_scores(report)[0], len(report.best_first)
    mean = sum(shrinkage(winner, name) for winner in report.winners) / len(report.winners)
    unit = "points" if name == "accuracy" else "nats"
    whose = "The winner's" if len(report.winners) == 1 else "The winners' mean"
    figure = "validation accuracy" if name == "accuracy" else "validation NLL"
    amount = f"{100 * abs(mean):.2f}" if name == "accuracy" else f"{abs(mean):.4f}"
    own, count = ("seed", "one seed") if report.seeds == 1 else ("seeds", f"{report.seeds} seeds")
    sentence = f"{whose} {figure} on fresh seeds is {amount} {unit}"
    if mean <= 0:
        yield f"{sentence} better than on the {own} of the trials."
        return
    yield (
        f"{sentence} worse than on the {own} of the trials: of {complete} complete trials on "
        f"{count}, the best is partly luck. Take the figures on fresh seeds."
    )


def _best(report: StudyReport) -> Iterator[str]:
    """The most accurate winner on the validation part, on the test part against the references."""
    if not report.winners:
        return
    winner = max(report.winners, key=_validation_accuracy)
    costs = [score_text(n, winner.scores[n]) for n in report.scores if n not in LEARNED]
    some = f" ({', '.join(costs)})" if costs else ""
    seeds = " over fresh seeds" if winner.repeats else ""
    first = " of the first seed" if report.seeds > 1 and not winner.repeats else ""
    against = [
        f"{name} {100 * model.test.accuracy:.2f} %"
        for name, model in report.references.items()
        if model.role in ("ensemble", "control")
    ]
    ends = f"; {', '.join(against)}" if against else ""
    test = winner.test_repeats["accuracy"].mean if winner.test_repeats else winner.test.accuracy
    yield (
        f"Highest validation accuracy{seeds}: trial {winner.trial}{some}; test accuracy{first}: "
        f"{100 * test:.2f} %{ends}."
    )


def _validation_accuracy(winner: Winner) -> float:
    return winner.repeats["accuracy"].mean if winner.repeats else winner.scores["accuracy"]


def _sharing(report: StudyReport) -> Iterator[str]:
    shared = report.shared
    read, computed = shared.teacher_forwards_read, shared.teacher_forwards_computed
    stages = counted(shared.stages_reused, "stage")
    if read or computed:
        yield (
            f"Shared by the trials: {stages} reused; of {read + computed:,} teacher answers "
            f"{computed:,} were computed, the others read."
        )
    elif shared.stages_reused:
        yield f"Shared by the trials: {stages} reused; no teacher answers were needed."
