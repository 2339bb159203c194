"""A graph of stages, and of choices that grow it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from graphlib import CycleError, TopologicalSorter
from typing import Any, Protocol

from orchestrator.config import EvaluateConfig, TrackingConfig
from orchestrator.errors import GraphError
from orchestrator.planning.digest import digest_of
from orchestrator.planning.stage import Stage, TeacherRef
from orchestrator.recipe.message_text import listed
from students.specs import StageOutput
from students.storage.outcome import Outcome
from students.transfer_sets.planned_data import PlannedData
from teachers.config import EnsembleConfig

_MOST_LISTED = 4
"""Options of a choice that are shown one by one."""


@dataclass(frozen=True)
class Decision:
    """What was chosen, by its label, and why, in a sentence; ``figures`` are those that decided,
    by name, as plain data."""

    chosen: str
    reason: str
    figures: Mapping[str, Any] = field(default_factory=dict)


class Evidence(Protocol):
    """What a choice is decided from: finished models on the validation part."""

    def outcomes(self, stage: str) -> Mapping[str, Outcome]:
        """What is known of each model of the stage of that digest."""

    def accuracy(self, output: StageOutput) -> float:
        """The share of the samples whose class a model predicts, from 0 to 1."""

    def ensemble_accuracy(self, spec: EnsembleSpec) -> float:
        """The same of the combined answer of teachers, as the report has it."""

    def divergence(self, teacher: TeacherRef, student: StageOutput) -> float:
        """The mean KL(teacher || student) in nats."""


@dataclass(frozen=True)
class Choice:
    """A node that is decided from the validation figures of finished stages, and grows the graph.

    ``question`` is all that the decision depends on beside the stages that it ``needs`` (their
    digests), as plain data. ``decide`` looks at the models of these; ``grow`` gives the nodes that
    follow from the label that was chosen, stages with their crowds. The label is one of
    ``options``; ``follows`` are the titles that are known of what follows, whatever is chosen.
    """

    name: str
    question: Mapping[str, Any]
    needs: tuple[str, ...]
    decide: Callable[[Evidence], Decision] = field(compare=False)
    grow: Callable[[str], tuple[Node, ...]] = field(compare=False)
    options: tuple[str, ...] = field(default=(), compare=False)
    follows: tuple[str, ...] = field(default=(), compare=False)

    @cached_property
    def digest(self) -> str:
        """Of the question, so it is known before the answer."""
        return digest_of({"kind": "choice", "question": self.question, "needs": list(self.needs)})

    @property
    def title(self) -> str:
        """The name; a choice is made once for all repeats."""
        return self.name

    @property
    def range(self) -> str:
        """Its options in a few words: ``1 or 2``, ``2 to 15``."""
        if len(self.options) > _MOST_LISTED:
            return f"{self.options[0]} to {self.options[-1]}"
        return listed(self.options, "or")


Node = Stage | Choice


@dataclass(frozen=True)
class EnsembleSpec:
    """Teachers whose combined answers are evaluated."""

    teachers: tuple[TeacherRef, ...]
    ensemble: EnsembleConfig


@dataclass(frozen=True)
class Graph:
    """What one run does: nodes in an order in which each follows what it needs.

    ``ensembles`` are evaluated from the stored answers of their teachers; ``remarks`` are sentences
    on the recipe; ``samples_seen``: all teachers were trained on all of the student's samples.
    ``tests``: the models are evaluated on the test part too. ``origin`` is the digest of the graph
    that this one has grown from, by ``decisions`` (by the title of their choice).

    Raises:
        GraphError: two nodes have one title, a node needs one that is missing or itself, or an
            output that a stage does not have.
    """

    name: str
    nodes: tuple[Node, ...]
    data: PlannedData
    repeats: int = 1
    ensembles: Mapping[str, EnsembleSpec] = field(default_factory=dict)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    remarks: tuple[str, ...] = ()
    samples_seen: bool = False
    tests: bool = True
    origin: str = ""
    decisions: Mapping[str, Decision] = field(default_factory=dict)

    def __post_init__(self) -> None:
        titles = [node.title for node in self.nodes]
        if doubled := {title for title in titles if titles.count(title) > 1}:
            raise GraphError(
                f"two nodes of graph '{self.name}' are called '{min(doubled)}'; name each once"
            )
        by_digest = {node.digest: node for node in self.nodes}
        for node in self.nodes:
            for need in node.needs:
                if need not in by_digest:
                    raise GraphError(
                        f"'{node.title}' of graph '{self.name}' needs the stage {need[:12]}, which "
                        "the graph does not have; add it"
                    )
        for stage in self.stages:
            for output in stage.references():
                self._check_output(stage, output, by_digest[output.stage])
        order = TopologicalSorter({node.digest: node.needs for node in self.nodes})
        try:
            order.prepare()
        except CycleError as error:
            cycle = " > ".join(by_digest[digest].title for digest in error.args[1])
            raise GraphError(
                f"graph '{self.name}' has a cycle ({cycle}); a stage cannot need itself"
            ) from None

    def _check_output(self, stage: Stage, output: StageOutput, source: Node) -> None:
        if isinstance(source, Stage) and (output.name in source.outputs):
            return
        has = ", ".join(source.outputs) if isinstance(source, Stage) else "no model"
        raise GraphError(
            f"'{stage.title}' of graph '{self.name}' takes '{output.name}' of '{source.title}', "
            f"which leaves {has}; take one of these"
        )

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """The stages that are known."""
        return tuple(node for node in self.nodes if isinstance(node, Stage))

    @property
    def undecided(self) -> tuple[Choice, ...]:
        """The choices that have not grown the graph yet."""
        choices = (node for node in self.nodes if isinstance(node, Choice))
        return tuple(choice for choice in choices if choice.title not in self.decisions)

    def assumed(self) -> Graph:
        """The graph as it grows if each open choice falls on its first option."""
        for choice in self.undecided:
            first = Decision(choice.options[0], "it is the first of its options")
            return self.grown(choice, first).assumed()
        return self

    @cached_property
    def digest(self) -> str:
        """Identifies the run by what is asked: its name, its nodes, what is evaluated.

        Where it runs is not part of it: the same work elsewhere, or with other resources, is the
        same run. A choice counts by its question, so growing the graph changes nothing.
        """
        nodes = [[node.title, node.digest] for node in self.nodes]
        asked = {
            "name": self.name,
            "stages": nodes,
            "evaluate": self.evaluate.model_dump(mode="json"),
        }
        return self.origin or digest_of(asked)

    @property
    def run_name(self) -> str:
        """``name@`` and the beginning of the digest."""
        return f"{self.name}@{self.digest[:12]}"

    def stage(self, name: str, repeat: int = 0) -> Stage:
        """The stage of that name; all repeats share the teachers."""
        named = {stage.repeat: stage for stage in self.stages if stage.name == name}
        return named.get(repeat, named[0])

    def up_to(self, stage: Stage) -> Graph:
        """What ``stage`` needs, and ``stage`` at its end, which this graph need not have."""
        needed, before = set(stage.needs), list[Node]()
        for node in reversed(self.nodes):
            if node.digest in needed:
                needed.update(node.needs)
                before.insert(0, node)
        return replace(self, nodes=(*before, stage))

    def first_repeats(self, count: int) -> Graph:
        """What ``count`` repeats need, the first ones."""
        return replace(self, nodes=tuple(_of_repeats(self.nodes, count)), repeats=count)

    def grown(self, choice: Choice, decision: Decision) -> Graph:
        """The graph with the nodes that follow from a decision, after its choice."""
        new = choice.grow(decision.chosen)
        at = self.nodes.index(choice) + 1
        nodes = (*self.nodes[:at], *new, *self.nodes[at:])
        decisions = {**self.decisions, choice.title: decision}
        return replace(self, nodes=nodes, origin=self.digest, decisions=decisions)


def _of_repeats(nodes: Iterable[Node], count: int) -> Iterator[Node]:
    """The nodes of the first ``count`` repeats, also of those that a choice grows."""
    for node in nodes:
        if isinstance(node, Choice):
            yield replace(node, grow=partial(_grow_repeats, node, count))
        elif node.repeat < count:
            yield node


def _grow_repeats(choice: Choice, count: int, label: str) -> tuple[Node, ...]:
    return tuple(_of_repeats(choice.grow(label), count))
