"""What stages the schedules plan, and which they share."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.planning.graph import Graph
from orchestrator.planning.stage import StageRole
from tests import small

CONTROLS = "controls=[untaught, direct]"
SMALLER, SMALLEST = "{kind: mlp, hidden: [32]}", "{kind: mlp, hidden: [24]}"


def path(*entries: str, taught_by: str = "previous") -> str:
    return f"schedule={{kind: assistants, path: [{', '.join(entries)}], taught_by: {taught_by}}}"


def generations(number: int, taught_by: str = "previous") -> str:
    return f"schedule={{kind: born_again, generations: {number}, taught_by: {taught_by}}}"


def taught(graph: Graph) -> dict[str, list[str]]:
    """The names of the teachers of each stage that has some."""
    return {
        stage.title: [ref.name for ref in stage.teachers]
        for stage in graph.stages
        if stage.teachers
    }


@pytest.mark.parametrize("schedule", [path(), generations(1), "schedule=assistants"])
def test_a_chain_without_intermediate_models_is_offline(tmp_path: Path, schedule: str) -> None:
    offline, other = small.planned(tmp_path), small.planned(tmp_path, schedule)
    assert small.digests(offline) == small.digests(other)
    assert offline.digest == other.digest


def test_each_assistant_teaches_the_next_model_alone(tmp_path: Path) -> None:
    graph = small.planned(tmp_path, path(SMALLER, SMALLEST), CONTROLS)
    assert taught(graph) == {
        "assistants.1": ["wide", "deep"],
        "assistants.2": ["assistants.1"],
        "student": ["assistants.2"],
        "controls.direct": ["wide", "deep"],
    }
    roles = [stage.role for stage in graph.stages if stage.name.startswith("assistants")]
    assert roles == [StageRole.ASSISTANT] * 2
    [spec] = graph.stage("student").cohort
    assert set(spec.objective) == {"task", "soft_targets"}, "the hint is of the teacher 'wide'"
    assert graph.stage("assistants.2").ensemble.weighting.kind == "uniform"


def test_all_models_before_teach_by_the_ensembles_rule(tmp_path: Path) -> None:
    rule = "ensemble.weighting=max_entropy"
    graph = small.planned(tmp_path, path(SMALLER, SMALLEST, taught_by="all"), rule)
    assert taught(graph)["student"] == ["wide", "deep", "assistants.1", "assistants.2"]
    assert graph.stage("student").ensemble.weighting.kind == "max_entropy"


def test_direct_is_the_student_of_an_offline_run(tmp_path: Path) -> None:
    offline = small.planned(tmp_path).stage("student").digest
    graph = small.planned(tmp_path, path(SMALLER), CONTROLS)
    assert graph.stage("controls.direct").digest == offline


def test_paths_with_a_common_beginning_share_it_whatever_the_student(tmp_path: Path) -> None:
    short = small.digests(small.planned(tmp_path, path(SMALLER)))
    other = "student.model.hidden=[8]"
    long = small.digests(small.planned(tmp_path, path(SMALLER, SMALLEST), other))
    reversed_ = small.digests(small.planned(tmp_path, path(SMALLEST, SMALLER)))
    assert long["assistants.1"] == short["assistants.1"]
    assert {*reversed_.values()} & {*long.values()} == {
        short["teachers.wide"],
        short["teachers.deep"],
    }


def test_an_entry_may_have_its_own_training_and_is_else_trained_as_the_student(
    tmp_path: Path,
) -> None:
    own = f"{{model: {SMALLER}, train: {{epochs: 2, seed: 5}}, objective: {{soft_targets: 1.0}}}}"
    [spec] = small.planned(tmp_path, path(own)).stage("assistants.1").cohort
    assert (spec.train.epochs, spec.seed, list(spec.objective)) == (2, 5, ["soft_targets"])
    graph = small.planned(tmp_path, path(SMALLER), "student.train.epochs=4")
    [spec], [student] = (graph.stage(name).cohort for name in ("assistants.1", "student"))
    assert spec.train == student.train
    assert spec.seed != student.seed


def test_intermediate_models_are_trained_once_for_all_repeats(tmp_path: Path) -> None:
    graph = small.planned(tmp_path, path(SMALLER), repeats=3)
    titles = [stage.title for stage in graph.stages]
    assert titles.count("assistants.1") == 1
    assert [title for title in titles if title.startswith("student")] == [
        "student",
        "student#2",
        "student#3",
    ]
    one = small.digests(small.planned(tmp_path, path(SMALLER)))
    assert one.items() <= small.digests(graph).items()


def test_generations_are_the_students_model_from_other_initial_weights(tmp_path: Path) -> None:
    graph = small.planned(tmp_path, generations(3), "controls=[]")
    assert list(taught(graph).items()) == [
        ("generations.1", ["wide", "deep"]),
        ("generations.2", ["generations.1"]),
        ("student", ["generations.2"]),
    ]
    specs = [graph.stage(name).cohort[0] for name in taught(graph)]
    assert len({spec.seed for spec in specs}) == 3
    assert all(spec.model == specs[0].model for spec in specs)
    longer = small.digests(small.planned(tmp_path, generations(4), "controls=[]"))
    assert longer["generations.2"] == graph.stage("generations.2").digest


def test_a_stage_of_a_chain_has_the_cores_to_itself(tmp_path: Path) -> None:
    """Only stages that can run at the same time divide them: no other of its chain does."""
    graph = small.planned(tmp_path, path(SMALLER, SMALLEST), "controls=[]")
    assert [graph.stage(name).crowd.stages for name in taught(graph)] == [0, 0, 0]
