"""A recipe as a graph: which stages there are, who needs whom, what repeats share."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from orchestrator.planning.graph import Graph
from students.objectives.cross_entropy import Task
from tests import small


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    return small.planned(tmp_path, "controls=[untaught, label_smoothing, single_teachers]")


def test_stages_are_named_as_the_recipe_names_them_teachers_first(graph: Graph) -> None:
    assert small.titles(graph.stages) == [
        "teachers.wide",
        "teachers.deep",
        "student",
        "controls.untaught",
        "controls.label_smoothing",
        "controls.single_teachers.wide",
        "controls.single_teachers.deep",
    ]


def test_a_stage_needs_exactly_its_teachers(graph: Graph) -> None:
    wide, deep = graph.stage("teachers.wide").digest, graph.stage("teachers.deep").digest
    needs = {stage.name: stage.needs for stage in graph.stages if stage.needs}
    assert needs == {
        "student": (wide, deep),
        "controls.single_teachers.wide": (wide,),
        "controls.single_teachers.deep": (deep,),
    }


def test_untaught_is_the_same_student_with_labels_alone(graph: Graph) -> None:
    taught, untaught = (graph.stage(n).cohort[0] for n in ("student", "controls.untaught"))
    assert untaught.objective == {"task": Task(weight=1.0)}
    for field in ("model", "weights", "train", "seed", "samples", "engine"):
        assert getattr(untaught, field) == getattr(taught, field)


def test_a_single_teacher_gives_its_own_hints_alone(graph: Graph) -> None:
    wide = graph.stage("controls.single_teachers.wide")
    deep = graph.stage("controls.single_teachers.deep")
    assert set(wide.cohort[0].objective) == {"task", "soft_targets", "near"}
    assert set(deep.cohort[0].objective) == {"task", "soft_targets"}


def test_a_single_teacher_has_its_own_vote_and_its_own_levels_alone(tmp_path: Path) -> None:
    data = small.recipe()
    levels = [("wide", "hidden.0"), ("deep", "stage1"), ("deep", "stage2")]
    data["student"]["objective"] |= {
        "order": {
            "kind": "triplet_order", "guided": "hidden.0",
            "layers": {"wide": "hidden.0", "deep": "stage2"},
        },
        "levels": {
            "kind": "multi_group_hint",
            "groups": [{"teacher": t, "hint": h, "guided": "hidden.0"} for t, h in levels],
        },
    }  # fmt: skip
    graph = small.planned(tmp_path, "controls=[single_teachers]", data=data)
    alone = graph.stage("controls.single_teachers.deep").cohort[0].objective
    assert set(alone) == {"task", "soft_targets", "order", "levels"}
    assert [hint.name for _, hint in alone["order"].hint_layers()] == ["deep/stage2:embedding"]
    assert [hint.name for _, hint in alone["levels"].hint_layers()] == [
        "deep/stage1",
        "deep/stage2",
    ]
    assert list(alone["levels"].guided_layers("levels")) == ["levels#0", "levels#1"]


def test_five_repeats_are_five_students_and_three_teachers(tmp_path: Path) -> None:
    data = small.recipe()
    data["teachers"]["third"] = {"model": {"kind": "mlp", "hidden": [8]}, "train": {}}
    graph = small.planned(tmp_path, data=data, repeats=5)
    assert len(graph.stages) == 3 + 5 * 2
    assert len({stage.digest for stage in graph.stages}) == 13
    students = [stage for stage in graph.stages if stage.name == "student"]
    assert [stage.title for stage in students] == [
        "student", "student#2", "student#3", "student#4", "student#5",
    ]  # fmt: skip
    assert len({stage.needs for stage in students}) == 1
    assert [stage.cohort[0].seed for stage in students] == [0, 1, 2, 3, 4]
    for repeat, student in enumerate(students):
        assert graph.stage("controls.untaught", repeat).cohort[0].seed == student.cohort[0].seed


def test_the_first_repeat_is_the_run_without_repeats(tmp_path: Path) -> None:
    alone = small.digests(small.planned(tmp_path))
    repeated = small.digests(small.planned(tmp_path, repeats=3))
    assert alone.items() < repeated.items()


def test_a_student_whose_taught_terms_weigh_nothing_needs_no_teachers(tmp_path: Path) -> None:
    graph = small.planned(
        tmp_path, "student.objective={task: 1.0, soft_targets: 0.0}", "controls=[]"
    )
    assert graph.stage("student").needs == ()


def test_each_teacher_has_a_seed_from_the_recipes_and_its_own_name(tmp_path: Path) -> None:
    def seeds(*overrides: str) -> list[int]:
        graph = small.planned(tmp_path, *overrides)
        return [graph.stage(f"teachers.{name}").cohort[0].seed for name in ("wide", "deep")]

    wide, deep = seeds()
    assert wide != deep
    assert seeds("seed=8") not in ([wide, deep], [deep, wide])
    assert seeds("teachers.deep.train.seed=5") == [wide, 5]


def test_digests_do_not_depend_on_where_the_data_or_the_recipe_are(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for part in ("train", "test"):
        for name, shade in (("dark", 10), ("light", 240)):
            folder = here / "pictures" / part / name
            folder.mkdir(parents=True)
            for number in range(3):
                pixels = np.full((8, 8), shade + number, np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    shutil.copytree(here, there)
    data = small.recipe()
    data["transfer_set"] = {
        "kind": "image_folder", "root": "pictures", "size": 8, "channels": 1, "validation": 2,
    }  # fmt: skip
    data["student"]["train"] = {"batch_size": 2}
    before = small.digests(small.planned(here, data=data))
    assert small.digests(small.planned(there, data=data)) == before
    data["transfer_set"]["root"] = str(there / "pictures")
    assert small.digests(small.planned(here, data=data)) == before
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(there / "pictures/train/dark/0.png")
    assert small.changed(before, small.digests(small.planned(here, data=data))) == set(before)
