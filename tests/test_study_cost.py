"""The cost of a study beside its parts alone: the recipes, and the arithmetic over rounds."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import stillhouse
from benchmarks.study_comparison.study_times import StudyTimes, seconds_under_way
from benchmarks.study_comparison.table import Measured
from benchmarks.study_comparison.work import StudyWork


def test_all_recipes_have_the_same_work_and_separate_runs_the_threads_of_all_students(
    tmp_path: Path,
) -> None:
    work = StudyWork(
        tmp_path, trials=10, parallel=2, threads=3, fraction=0.1, epochs=4, views="all"
    )
    recipes = {
        "study": work.study(),
        "separate": work.separate(7),
        "untaught": work.untaught(),
        "filling": work.filling(),
    }
    read = {}
    for name, recipe in recipes.items():
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(recipe))
        read[name] = stillhouse.load_recipe(tmp_path / f"{name}.yaml").recipe
    assert len({each.transfer_set.model_dump_json() for each in read.values()}) == 1
    assert {each.student.train.epochs for each in read.values()} == {4}
    assert {name: each.student.train.threads for name, each in read.items()} == {
        "study": 3,
        "separate": 6,
        "untaught": 3,
        "filling": 3,
    }
    assert read["study"].teachers == read["separate"].teachers == read["filling"].teachers
    assert not read["untaught"].teachers
    assert read["study"].search is not None
    assert (read["study"].search.trials, read["study"].search.repeats) == (10, 0)


def test_a_batch_is_under_way_as_long_as_its_longest_trial() -> None:
    assert seconds_under_way([5.0, 3.0, 1.0, 2.0, 4.0], 2) == 5.0 + 2.0 + 4.0


def test_ratios_are_taken_within_a_round_and_separate_runs_counted_for_all_trials() -> None:
    slow, quick = StudyTimes(20.0, 180.0, 160.0, 20.0), StudyTimes(10.0, 90.0, 80.0, 10.0)
    measured = Measured(10, [slow, quick], [40.0, 20.0], [160.0, 80.0], ours=[30.0, 36.0])
    assert measured.ratios(lambda each: each.whole) == pytest.approx([1.1, 1.1])
    assert measured.study == pytest.approx(165.0)
    [ours] = [line for line in measured.lines() if "of ours" in line]
    assert "330.0  2.00 times the study (2 measured, 30.0 to 36.0 s each)" in ours
    [theirs] = [line for line in measured.lines() if "TextBrewer" in line]
    assert theirs.endswith("not measured")
