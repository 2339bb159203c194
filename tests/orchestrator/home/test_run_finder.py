"""Claims about the runs of a home, and which of them a word means."""

from pathlib import Path

import pytest

from orchestrator.errors import RecipeProblems
from orchestrator.home.run_finder import find_distinct, find_run, find_runs
from tests.orchestrator.stored_homes import add_run

FIRST, SECOND, OTHER = "aabb" * 8, "aacc" * 8, "ddee" * 8


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The newest run of digits is the second; the newest of all is that of mnist."""
    add_run(tmp_path, "digits", FIRST, age=9)
    add_run(tmp_path, "digits", SECOND, age=5)
    add_run(tmp_path, "mnist", OTHER, age=1)
    return tmp_path


def test_runs_come_newest_first(home: Path) -> None:
    titles = [run.report.title for run in find_runs(home).runs]
    assert titles == ["mnist@ddeeddeeddee", "digits@aaccaaccaacc", "digits@aabbaabbaabb"]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("latest", OTHER),
        ("mnist", OTHER),
        ("digits", SECOND),
        ("digits@aab", FIRST),
        ("digits@aaccaaccaacc", SECOND),
        (f"digits@{FIRST}", FIRST),
        ("mnist@", OTHER),
    ],
)
def test_word_means_one_run(home: Path, word: str, meant: str) -> None:
    assert find_run(word, find_runs(home)).report.recipe_digest == meant


def test_a_study_is_no_run_and_its_page_is_named(tmp_path: Path) -> None:
    study = tmp_path / "studies" / "searched"
    study.mkdir(parents=True)
    (study / "study.json").write_text("{}")
    sentence = f"`RUN` is 'searched', which is a study and no run; its page is in '{study}'"
    for name in ("digits", "searched"):  # Without any run too; a run of that name comes first.
        with pytest.raises(RecipeProblems) as refusal:
            find_run("searched", find_runs(tmp_path))
        assert sentence in str(refusal.value)
        add_run(tmp_path, name, FIRST)
    assert find_run("searched", find_runs(tmp_path)).report.name == "searched"


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("digts", "`RUN` is 'digts', but no run is called that; did you mean `digits`?"),
        ("minst@ddee", "but no run is called that; did you mean `mnist@ddeeddeeddee`?"),
        ("digits@ff", "there is `digits@aaccaaccaacc` and `digits@aabbaabbaabb`"),
        ("digits@aa", "which fits `digits@aaccaaccaacc` and `digits@aabbaabbaabb`; give more"),
        ("quite-another", "there is `mnist` and `digits`; `stillhouse list` shows all"),
        ("digit*", "did you mean `digits`?"),
        ("../runs/digits", "no run is called that"),
        ("", "no run is called that"),
    ],
)
def test_word_that_means_none_or_several_is_refused_with_near_names(
    home: Path, word: str, sentence: str
) -> None:
    with pytest.raises(RecipeProblems) as refusal:
        find_run(word, find_runs(home))
    assert sentence in str(refusal.value)
    assert len(refusal.value.problems) == 1


def test_of_many_near_names_some_are_named_and_the_rest_counted(tmp_path: Path) -> None:
    for number in range(5):
        add_run(tmp_path, "digits", f"aa{number:02}" * 8, age=number)
    with pytest.raises(RecipeProblems, match=r"`digits@aa02aa02aa02` and 2 more; give more"):
        find_run("digits@aa", find_runs(tmp_path))


def test_home_without_runs_says_so(tmp_path: Path) -> None:
    with pytest.raises(RecipeProblems, match="has no run; run a recipe first"):
        find_run("latest", find_runs(tmp_path / "absent"))


def test_damaged_report_hides_no_other_and_is_named_where_it_is_meant(home: Path) -> None:
    damaged = home / "runs" / "mnist@ddeeddeeddee" / "report.json"
    damaged.write_text("{")
    stored = find_runs(home)
    assert stored.unreadable == (damaged.parent,)
    assert find_run("latest", stored).report.recipe_digest == SECOND
    with pytest.raises(RecipeProblems, match=r"report.json' is damaged; run the recipe again"):
        find_run("mnist", stored)


def test_several_words_mean_different_runs(home: Path) -> None:
    stored = find_runs(home)
    assert [run.report.name for run in find_distinct(("mnist", "digits"), stored)] == [
        "mnist",
        "digits",
    ]
    with pytest.raises(RecipeProblems, match="it takes two to compare"):
        find_distinct(("mnist",), stored)
    with pytest.raises(RecipeProblems) as refusal:
        find_distinct(("mnist", "latest", "nobody", "digits"), stored)
    assert [problem.message[:20] for problem in refusal.value.problems] == [
        "`RUN` is 'latest', b",
        "`RUN` is 'nobody', b",
    ]
