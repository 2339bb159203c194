"""Shows a graph while it runs: what of it is stored, done, running, waiting or undecided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.formatting import counted
from orchestrator.planning.graph import Choice, Graph, Node
from orchestrator.recipe.message_text import listed


class Mark(Enum):
    """What stands before a node, and its style."""

    ENDED = "✓", "green"
    RUNNING = "▶", "cyan"
    UNDECIDED = "?", "yellow"
    WAITING = "·", "dim"


@dataclass(frozen=True)
class NodeRow:
    """One line: a node's name, and how far it is."""

    mark: Mark
    title: str
    state: RenderableType


def graph_rows(
    graph: Graph, ended: Mapping[str, str], running: Mapping[str, RenderableType]
) -> Iterator[NodeRow]:
    """A row for each node, and for what is known to follow from an undecided choice; ``ended`` and
    ``running`` say how far stages are, by title."""
    decided = {title: f"has chosen {each.chosen}" for title, each in graph.decisions.items()}
    ended = {**ended, **decided}
    over = {node.digest for node in graph.nodes if node.title in ended}
    titles = {node.digest: node.title for node in reversed(graph.nodes)}
    for node in graph.nodes:
        waits = [titles[need] for need in node.needs if need not in over]
        if node.title in running:
            yield NodeRow(Mark.RUNNING, node.title, running[node.title])
        elif isinstance(node, Choice) and node.title not in ended:
            options = f": {node.range}" if node.options else ""
            yield NodeRow(Mark.UNDECIDED, node.title, f"undecided{options}")
            state = f"depends on {node.title}"
            yield from (NodeRow(Mark.WAITING, title, state) for title in node.follows)
        else:
            yield _still(node, ended, waits)


def _still(node: Node, ended: Mapping[str, str], waits: list[str]) -> NodeRow:
    if node.title in ended:
        return NodeRow(Mark.ENDED, node.title, ended[node.title])
    state = f"waits for {', '.join(waits)}" if waits else "waits for its turn"
    return NodeRow(Mark.WAITING, node.title, state)


def graph_table(rows: list[NodeRow], most: int) -> RenderableType:
    """The rows as a table; of more than ``most`` those that run or are undecided, and a count of
    the others."""
    shown = rows
    if len(rows) > most:
        active = (Mark.RUNNING, Mark.UNDECIDED)
        shown = [row for row in rows if row.mark in active][:most]
    table = Table.grid(padding=(0, 1))
    for row in shown:
        sign, style = row.mark.value
        table.add_row(Text(sign, style), row.title, row.state)
    if len(shown) == len(rows):
        return table
    left = [row.mark for row in rows if row not in shown]
    ended, other = left.count(Mark.ENDED), len(left) - left.count(Mark.ENDED)
    return Group(table, Text(f"  and {ended} done, {other} to come", "dim"))


def plan_sentence(graph: Graph, stored: set[str]) -> str:
    """What is stored, what is to run, what is undecided, in a line; ``stored`` are digests."""
    left = sum(stage.digest not in stored for stage in graph.stages)
    sentence = f"{counted(len(graph.stages), 'stage')}: {len(graph.stages) - left} stored, {left} "
    sentence += "to run"
    for choice in graph.undecided:
        options = f" ({choice.range})" if choice.options else ""
        follows = f": then {listed(choice.follows)}" if choice.follows else ""
        sentence += f"; {choice.title}{options} is undecided{follows}"
    return sentence
