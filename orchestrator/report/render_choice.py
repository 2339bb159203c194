"""Shows which of several candidates was chosen, by which figures, and why."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.formatting import ABSENT, Grid
from orchestrator.results.run_report import ChoiceReport, RunReport


def choice_table(choice: ChoiceReport) -> Grid:
    """The candidates, and how far each is from the target in points."""
    title = f"Candidates for the assistant (target: {100 * choice.target:.2f} % on validation)"
    headers = ("candidate", "parameters", "MACs", "validation %", "from target", "taken")
    rows = []
    for number, model in choice.candidates.items():
        accuracy = choice.accuracy[number]
        rows.append(
            (
                number,
                f"{model.parameters:,}",
                f"{model.macs:,}",
                f"{100 * accuracy:.2f}",
                f"{100 * (accuracy - choice.target):+.2f}",
                "yes" if number == choice.chosen else ABSENT,
            )
        )
    return Grid(title, headers, tuple(rows))


def anchor_sentences(report: RunReport) -> Iterator[str]:
    """Which anchor was taken after each stage of a route, and why."""
    for number, choice in report.route_choices.items():
        yield (
            f"After route {number} the next anchor is the teacher after epoch {choice.epochs}, "
            f"since {choice.reason}."
        )


def choice_sentence(choice: ChoiceReport) -> str:
    """Which candidate was taken, and why."""
    return f"Candidate {choice.chosen} was taken as the assistant, since {choice.reason}."
