"""A class map names existing classes, each once, and some teacher covers every class."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import RecipeProblems
from tests import small

PLAIN = "student.objective.near=null"
WIDE, DEEP = "teachers.wide.classes", "teachers.deep.classes"

BAD = [
    (
        [f"{WIDE}=[3, 5, 3]"],
        "`teachers.wide.classes` is [3, 5, 3], which names 3 more than once; name each class once, "
        "in the order of the outputs",
    ),
    (
        [f"{WIDE}=[]"],
        "`teachers.wide.classes` is [], but a teacher distinguishes two classes at least; name "
        "two or more, or leave it out for all",
    ),
    ([f"{WIDE}=[3]"], "`teachers.wide.classes` is [3], but a teacher distinguishes two "),
    (
        [f"{WIDE}=[3, 10, 12]"],
        "`teachers.wide.classes` names 10 and 12, but the classes of digits are 0 to 9; take it "
        "out",
    ),
    ([f"{WIDE}=[-1, 2]"], "`teachers.wide.classes.0` is -1, but must be a whole number of at "),
    (
        [f"{WIDE}=[0, 1, 2, 3]", f"{DEEP}=[3, 4, 5, 6, 9]"],
        "`teachers` have `classes` that leave out 7 and 8, so no teacher would teach them; add "
        "a teacher that covers them, or one that covers all classes",
    ),
    (
        ["ensemble.weighting=specialists"],
        "`ensemble.weighting` is specialists, but each of `teachers` covers all 10 classes, so "
        "all would have the same weight; choose uniform, or list in a teacher's `classes` "
        "those that it covers",
    ),
    (
        [f"{WIDE}=[3, 5, 9]", "ensemble.bank.top_k=2"],
        "`ensemble.bank.top_k` is 2, but `teachers.wide.classes` names 3 classes, and the mean "
        "of the logits left out would mix classes that it covers with classes that it does not; "
        "make it 3 at least, or none",
    ),
    (
        [f"{WIDE}=[3, 5, 9]", "controls=[single_teachers]"],
        "`controls` has 'single_teachers', but a student taught by wide of `teachers` alone "
        "would learn that only that teacher's classes exist; take it out of `controls`",
    ),
]

GOOD = [
    [f"{WIDE}=[3, 5, 9]", "ensemble.weighting=specialists"],
    [f"{WIDE}=[3, 5, 9]", "ensemble.bank.top_k=3"],
    [f"{WIDE}=[3, 5, 9]"],
    [f"{WIDE}=[0, 1, 2, 3, 4]", f"{DEEP}=[4, 5, 6, 7, 8, 9]", "ensemble.weighting=specialists"],
    [f"{WIDE}=[9, 8, 7, 6, 5, 4, 3, 2, 1, 0]", "controls=[single_teachers]"],
]


@pytest.mark.parametrize(("settings", "sentence"), BAD, ids=[case[0][-1] for case in BAD])
def test_an_invalid_class_map_is_reported_in_one_sentence(
    tmp_path: Path, settings: list[str], sentence: str
) -> None:
    with pytest.raises(RecipeProblems) as caught:
        small.loaded(tmp_path, PLAIN, *settings)
    [problem] = caught.value.problems
    assert problem.message.startswith(sentence), problem.message


@pytest.mark.parametrize("settings", GOOD, ids=[case[0] for case in GOOD])
def test_a_valid_class_map_is_accepted(tmp_path: Path, settings: list[str]) -> None:
    small.loaded(tmp_path, PLAIN, *settings)
