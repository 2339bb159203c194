"""What a graph refuses when it is made, by what a run is identified, and how a choice grows it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from orchestrator.errors import GraphError
from orchestrator.planning.graph import Choice, Decision, Graph
from orchestrator.planning.stage import Stage
from students.specs import StageOutput
from tests import small
from tests.orchestrator.choices import choose_student


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    return small.planned(tmp_path)


def test_the_run_is_identified_by_name_by_stages_and_by_what_is_evaluated(tmp_path: Path) -> None:
    def run(*overrides: str) -> str:
        return small.planned(tmp_path, *overrides).digest

    here = run()
    for same in ("cluster.mode=in_process", "student.engine.zero_stage=3", "tracking.every=9"):
        assert run(same) == here
    others = ["name=other", "controls=[]", "evaluate.prior_correction=uniform", "seed=1"]
    assert len({here, *(run(other) for other in others)}) == 5


def test_two_nodes_of_one_title_are_refused(graph: Graph) -> None:
    with pytest.raises(GraphError, match="two nodes of graph 'small' are called 'student'; name"):
        replace(graph, nodes=(*graph.nodes, graph.stage("student")))


def test_a_node_whose_need_is_missing_is_refused(graph: Graph) -> None:
    wide = graph.stage("teachers.wide")
    nodes = tuple(node for node in graph.nodes if node is not wide)
    said = rf"'student' of graph 'small' needs the stage {wide.digest[:12]}, which the graph does"
    with pytest.raises(GraphError, match=said):
        replace(graph, nodes=nodes)


def started_from(stage: Stage, output: StageOutput) -> Stage:
    """The same stage, whose student starts from what another stage leaves."""
    spec = replace(stage.cohort[0], path="second", weights=output)
    return replace(stage, name="second", cohort=(spec,))


def test_a_student_may_start_from_what_another_stage_leaves(graph: Graph) -> None:
    student = graph.stage("student")
    second = started_from(student, StageOutput(student.digest))
    assert student.digest in second.needs
    assert second.digest != student.digest
    assert replace(graph, nodes=(*graph.nodes, second)).stage("second") is second


def test_an_output_that_a_stage_does_not_have_is_refused(graph: Graph) -> None:
    student = graph.stage("student")
    for name in ("early", "model.2"):
        second = started_from(student, StageOutput(student.digest, name))
        said = f"'second' of graph 'small' takes '{name}' of 'student', which leaves model; take"
        with pytest.raises(GraphError, match=said):
            replace(graph, nodes=(*graph.nodes, second))
    named = replace(student, extras=("early",))
    nodes = tuple(named if node is student else node for node in graph.nodes)
    second = started_from(named, StageOutput(named.digest, "early"))
    assert replace(graph, nodes=(*nodes, second))


def test_a_choice_leaves_no_model_that_could_be_taken(graph: Graph) -> None:
    choice = choose_student(graph, "which")
    second = started_from(graph.stage("student"), StageOutput(choice.digest))
    with pytest.raises(GraphError, match="takes 'model' of 'which', which leaves no model"):
        replace(graph, nodes=(*graph.nodes, choice, second))


@dataclass(frozen=True)
class Knot(Choice):
    """A choice under a digest that is given, for a digest of needs cannot be its own."""

    under: str = ""

    @property
    def digest(self) -> str:  # type: ignore[override]
        return self.under


def knot(under: str, *needs: str) -> Knot:
    return Knot(f"about {under}", {}, needs, lambda _: Decision("", ""), lambda _: (), under=under)


def test_a_cycle_is_refused_and_shown(graph: Graph) -> None:
    with pytest.raises(GraphError, match=r"has a cycle \(about a > about a\); a stage cannot"):
        replace(graph, nodes=(*graph.nodes, knot("a", "a")))
    said = r"graph 'small' has a cycle \(about (a > about b > about a|b > about a > about b)\)"
    with pytest.raises(GraphError, match=said):
        replace(graph, nodes=(*graph.nodes, knot("a", "b"), knot("b", "a")))


def test_a_stage_that_is_reached_through_a_choice_cannot_be_needed_by_it(graph: Graph) -> None:
    """As a stage's digest contains those of its teachers, only a choice can close a circle."""
    student = graph.stage("student")
    second = started_from(student, StageOutput("loop"))
    around = knot("loop", second.digest)
    with pytest.raises(GraphError, match="takes 'model' of 'about loop', which leaves no model"):
        replace(graph, nodes=(*graph.nodes, around, second))


def test_a_choices_digest_is_that_of_its_question(graph: Graph) -> None:
    choice = choose_student(graph, "which")
    assert choose_student(graph, "which").digest == choice.digest
    assert replace(choice, question={"of": "other"}).digest != choice.digest
    assert replace(choice, needs=choice.needs[:1]).digest != choice.digest
    assert choice.title == "which"


def test_a_graphs_digest_does_not_change_when_a_choice_grows_it(graph: Graph) -> None:
    choice = choose_student(graph, "which")
    asked = replace(graph, nodes=(*graph.nodes, choice))
    assert asked.digest != graph.digest, "the question is part of what is asked"
    grown = asked.grown(choice, Decision("wide", "it is better"))
    other = asked.grown(choice, Decision("deep", "it is better"))
    assert grown.digest == other.digest == asked.digest
    assert grown.run_name == asked.run_name
    at = grown.nodes.index(choice)
    assert small.titles(grown.nodes[at:]) == ["which", "taught by wide"]
    assert small.titles(other.stages)[-1] == "taught by deep"
