"""What a terminal and a log show of a graph that runs."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from orchestrator.execution.progress import ProgressBars
from orchestrator.execution.stage_works import StageResult
from orchestrator.planning.graph import Decision, Graph
from students.events import EpochReport, Resumed
from tests import small
from tests.orchestrator.planning.test_chosen_path import BOTH


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    return small.planned(tmp_path, BOTH)


def happen(bars: ProgressBars, graph: Graph) -> None:
    """One teacher is stored, the other one done; a candidate is under way."""
    wide, deep, first = graph.stages[:3]
    bars.show(graph, {wide.digest})
    bars.on_end(StageResult(wide, {}, ran=False, seconds=0.0))
    bars.on_begin(deep, 1)
    bars.on_end(StageResult(deep, {}, ran=True, seconds=1.25))
    bars.on_begin(first, 1)
    bars.on_event(first, Resumed(8, 40, 5))
    bars.on_event(first, EpochReport(2, 24, 0.913, 0.5))


def on_terminal(height: int = 30) -> Console:
    return Console(
        file=StringIO(), force_terminal=True, width=110, height=height, color_system=None
    )


def shown(bars: ProgressBars, console: Console) -> list[str]:
    """The lines of the graph."""
    with console.capture() as capture:
        console.print(bars._render())
    return [line.rstrip() for line in capture.get().splitlines()]


def test_a_terminal_shows_what_is_stored_running_waiting_and_undecided(graph: Graph) -> None:
    console = on_terminal()
    bars = ProgressBars(console)
    happen(bars, graph)
    lines = shown(bars, console)
    running = lines.pop(2)
    assert lines == [
        "✓ teachers.wide           stored",
        "✓ teachers.deep           1.2 s",
        "· assistants.candidates.2 waits for its turn",
        "· controls.untaught       waits for its turn",
        "? assistants.choice       undecided: 1 or 2",
        "· assistants.1            depends on assistants.choice",
        "· student                 depends on assistants.choice",
    ]
    assert running.startswith("▶ assistants.candidates.1 ━")
    assert " 24/40 steps " in running
    assert running.endswith("epoch 3, validation 91.3%")


def test_a_decision_is_shown_with_what_follows(graph: Graph) -> None:
    console = on_terminal()
    bars = ProgressBars(console)
    happen(bars, graph)
    [choice] = graph.undecided
    decision = Decision("2", "it is nearer")
    bars.on_choice(choice, decision, graph.grown(choice, decision))
    assert shown(bars, console)[-3:] == [
        "✓ assistants.choice       has chosen 2",
        "· assistants.1            waits for its turn",
        "· student                 waits for assistants.candidates.2",
    ]


def test_a_low_terminal_shows_what_runs_and_counts_the_rest(graph: Graph) -> None:
    console = on_terminal(height=6)
    bars = ProgressBars(console)
    happen(bars, graph)
    running, undecided, rest = shown(bars, console)
    assert running.startswith("▶ assistants.candidates.1")
    assert undecided.startswith("? assistants.choice")
    assert rest == "  and 2 done, 4 to come"


def test_the_whole_graph_is_left_on_the_terminal(graph: Graph) -> None:
    console = on_terminal(height=6)
    with ProgressBars(console) as bars:
        happen(bars, graph)
    assert "· student" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_log_has_the_plan_and_a_line_for_each_change(graph: Graph) -> None:
    console = Console(file=StringIO(), width=200)
    with ProgressBars(console) as bars:
        happen(bars, graph)
        [choice] = graph.undecided
        bars.on_choice(choice, Decision("2", "it is nearer"), graph)
    assert console.file.getvalue().splitlines() == [  # type: ignore[attr-defined]
        "5 stages: 1 stored, 4 to run; assistants.choice (1 or 2) is undecided: then assistants.1 "
        "and student",
        "teachers.wide: already stored",
        "teachers.deep: starts",
        "teachers.deep: done in 1.2 s",
        "assistants.candidates.1: starts",
        "assistants.candidates.1: resumes at step 8 of 40",
        "assistants.choice: 2, since it is nearer",
    ]
