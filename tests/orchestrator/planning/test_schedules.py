"""What stages the schedules plan, and which they share."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from orchestrator.planning.controls import untaught_stage
from orchestrator.planning.graph import Graph
from orchestrator.planning.planner import stage_names
from orchestrator.planning.stage import StageRole
from students.specs import StageOutput
from tests import small
from tests.golden.cases import golden

CONTROLS = "controls=[untaught, direct]"
SMALLER, SMALLEST = "{kind: mlp, hidden: [32]}", "{kind: mlp, hidden: [24]}"


def path(*entries: str, taught_by: str = "previous") -> str:
    return f"schedule={{kind: assistants, path: [{', '.join(entries)}], taught_by: {taught_by}}}"


def generations(number: int, taught_by: str = "previous") -> str:
    return f"schedule={{kind: born_again, generations: {number}, taught_by: {taught_by}}}"


NEAR = "{kind: hint, teacher: wide, hint: hidden.0, guided: hidden.0}"
HINT_FIRST = f"{{objective: {{near: {NEAR}}}, train: {{epochs: 1, optimizer: {{lr: 0.2}}}}}}"


def two_stages(first: str = HINT_FIRST, freeze: str = "[hidden.0]") -> str:
    return f"schedule={{kind: two_stage, first: {first}, freeze: {freeze}}}"


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


def test_all_paths_over_some_sizes_share_their_stages(tmp_path: Path) -> None:
    """The eight paths from size 10 to size 2 (Mirzadeh et al., 2020, figure 5)."""
    case = golden("takd_paths")
    first, *between, last = case.inputs["sizes"]
    subsets = (each for n in range(len(between) + 1) for each in combinations(between, n))
    paths = [[first, *each, last] for each in subsets]
    assert sorted(paths) == sorted(case.expected["paths"])
    assert len(paths) == case.expected["count"]
    alone = ("teachers.deep=null", f"teachers.wide.model.hidden=[{first}]", "controls=[]",
             "student.objective.near=null", f"student.model.hidden=[{last}]")  # fmt: skip
    planned = [
        small.digests(
            small.planned(tmp_path, path(*(f"{{kind: mlp, hidden: [{s}]}}" for s in sizes)), *alone)
        )
        for _, *sizes, _ in paths
    ]
    assert sum(map(len, planned)) == 8 + 12 + 8, "teachers, assistants, students"
    assistants, students = (
        {each for digests in planned for name, each in digests.items() if name.startswith(kind)}
        for kind in ("assistants", "student")
    )
    assert len(assistants) == 7, "one for each beginning of a path: each way to choose from three"
    assert len(students) == 8, "each path has its own"
    assert len({each for digests in planned for each in digests.values()}) == 1 + 7 + 8
    offline = small.digests(small.planned(tmp_path, *alone))
    assert planned[paths.index([first, last])] == offline


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


def test_the_student_starts_from_its_first_stage_with_layers_frozen(tmp_path: Path) -> None:
    graph = small.planned(tmp_path, two_stages(), "controls=[]")
    assert taught(graph) == {"first_stage": ["wide", "deep"], "student": ["wide", "deep"]}
    first, student = graph.stage("first_stage"), graph.stage("student")
    ([before], [after]) = first.cohort, student.cohort
    assert (list(before.objective), before.train.epochs) == (["near"], 1)
    assert (before.weights, before.frozen) == (None, ())
    assert list(after.objective) == ["near", "soft_targets", "task"]
    assert (after.weights, after.frozen) == (StageOutput(first.digest), ("hidden.0",))
    assert (before.model, before.seed) == (after.model, after.seed), "the student's own"
    assert student.needs[-1] == first.digest


def test_what_a_first_stage_does_not_say_is_the_students(tmp_path: Path) -> None:
    graph = small.planned(tmp_path, two_stages("{train: {epochs: 1}}"), "student.train.seed=4")
    [first], [student] = (graph.stage(name).cohort for name in ("first_stage", "student"))
    assert first.objective == student.objective
    assert (first.seed, student.seed) == (4, 4)
    assert first.train.optimizer != student.train.optimizer, "`train` is given as a whole"
    graph = small.planned(tmp_path, two_stages("{train: {epochs: 1, seed: 9}}"))
    assert graph.stage("first_stage").cohort[0].seed == 9


def test_each_repeat_has_a_first_stage_of_its_own(tmp_path: Path) -> None:
    graph = small.planned(tmp_path, two_stages(), "controls=[]", repeats=2)
    stages = [title for title in small.titles(graph.stages) if "teachers" not in title]
    assert stages == ["first_stage", "student", "first_stage#2", "student#2"]
    firsts = [graph.stage("first_stage", repeat) for repeat in (0, 1)]
    students = [graph.stage("student", repeat) for repeat in (0, 1)]
    assert [stage.cohort[0].seed for stage in (*firsts, *students)] == [0, 1, 0, 1]
    assert [stage.needs[-1] for stage in students] == [stage.digest for stage in firsts]


def test_only_the_student_depends_on_what_is_frozen(tmp_path: Path) -> None:
    deep = "student.model.hidden=[16, 16]"
    none, one, both, reverse = (
        small.planned(tmp_path, two_stages(freeze=freeze), deep)
        for freeze in ("[]", "[hidden.0]", "[hidden.0, hidden.1]", "[hidden.1, hidden.0]")
    )
    assert "frozen" not in none.stage("student").fingerprint
    assert small.changed(small.digests(none), small.digests(one)) == {"student"}
    assert small.changed(small.digests(one), small.digests(both)) == {"student"}
    assert small.digests(both) == small.digests(reverse)


def test_controls_of_two_stages_are_trained_in_one(tmp_path: Path) -> None:
    controls = "controls=[untaught, label_smoothing, single_teachers%s]"
    offline = small.digests(small.planned(tmp_path, controls % ""))
    two = small.planned(tmp_path, two_stages(), controls % ", direct")
    found = small.digests(two)
    assert found["controls.direct"] == offline["student"] != found["student"]
    assert small.changed(offline, found) == {"student"}
    without = small.planned(tmp_path, two_stages(), "controls=[]")
    assert untaught_stage(without.stages).digest == offline["controls.untaught"]


def test_the_stages_are_named_also_where_their_digests_are_not_known(tmp_path: Path) -> None:
    recipe = small.loaded(tmp_path, two_stages(), CONTROLS).recipe
    assert dict(stage_names(recipe))["student"] == ("wide", "deep")
    assert [name for name, _ in stage_names(recipe)] == [
        stage.title for stage in small.planned(tmp_path, two_stages(), CONTROLS).stages
    ]


def test_a_stage_of_a_chain_has_the_cores_to_itself(tmp_path: Path) -> None:
    """Only stages that can run at the same time divide them: no other of its chain does."""
    graph = small.planned(tmp_path, path(SMALLER, SMALLEST), "controls=[]")
    assert [graph.stage(name).crowd.stages for name in taught(graph)] == [0, 0, 0]
