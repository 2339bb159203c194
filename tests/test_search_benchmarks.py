"""The comparisons of the search: equal teachers, seeds of their own, and what they print."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import search_assistant, search_digits, search_samplers
from benchmarks.search_assistant import DIRECT, SCHEDULES
from benchmarks.search_samplers import RANDOM, SAMPLERS, Found
from orchestrator.planning.planner import make_plan
from orchestrator.planning.stage import Stage, StageRole
from orchestrator.planning.trials import read_search
from orchestrator.recipe.loading import LoadedRecipe
from search.proposals import Proposer
from search.trials import StudySpec


def teachers(loaded: LoadedRecipe, cache: Path) -> set[str]:
    graph = make_plan(loaded.recipe, folder=loaded.folder, cache=cache)
    return {each.digest for each in graph.stages if each.role is StageRole.TEACHER}


def stage(loaded: LoadedRecipe, cache: Path, name: str) -> Stage:
    graph = make_plan(loaded.recipe, folder=loaded.folder, cache=cache)
    [found] = (each for each in graph.stages if each.title == name)
    return found


def draws(loaded: LoadedRecipe) -> list[dict[str, object]]:
    asked = read_search(loaded)
    spec = StudySpec(asked.name, asked.config, asked.seed, 1, own=asked.own)
    return [each.params for each in Proposer(spec).propose([], range(2, 4))]


def test_studies_have_seeds_of_their_own_and_one_set_of_teachers(tmp_path: Path) -> None:
    first, other = (search_samplers.recipe_of("tpe", seed) for seed in (1, 2))
    assert teachers(first, tmp_path) == teachers(other, tmp_path)
    assert first.recipe.seed != other.recipe.seed
    assert first.recipe.student.train.seed + first.recipe.search.repeats < (  # type: ignore[union-attr]
        other.recipe.student.train.seed
    )


def test_the_samplers_of_a_study_differ_in_nothing_else_and_begin_with_the_same_draws() -> None:
    by = {sampler: search_samplers.recipe_of(sampler, 3) for sampler in SAMPLERS}
    names = {loaded.recipe.name for loaded in by.values()}
    assert len(names) == len(SAMPLERS)
    assert draws(by["tpe"]) == draws(by[RANDOM])
    sections = [loaded.recipe.search.model_dump(exclude={"sampler"}) for loaded in by.values()]  # type: ignore[union-attr]
    assert all(section == sections[0] for section in sections)


def test_the_samplers_are_compared_study_by_study() -> None:
    curve = (0.90, *[0.95] * 18, 0.96)
    found = {
        "tpe": [Found(curve, 0.93, 0.92), Found(curve, 0.94, 0.93), Found(curve, 0.94, 0.91)],
        RANDOM: [Found(curve, 0.93, 0.91), Found(curve, 0.93, 0.92), Found(curve, 0.92, 0.90)],
    }
    text = list(search_samplers.lines(found))
    assert text[2].split() == ["tpe", "95.00", "95.00", "95.00", "96.00"]
    assert "equal in 3" in next(line for line in text if line.startswith("    tpe, best"))
    assert "+1.00 (95 % CI -1.48 to +3.48), better in 2 of 3, equal in 1" in text[-2]


@pytest.mark.parametrize(
    ("main", "option", "value", "rule"),
    [
        (search_samplers.main, "--studies", "1", "must be at least 2"),
        (search_samplers.main, "--samplers", "tpe", "must name 'random'"),
        (search_assistant.main, "--seeds", "1", "must be at least 2"),
        (search_digits.main, "--seeds", "1", "must be at least 2"),
    ],
)
def test_what_leaves_nothing_to_compare_is_refused_before_it_begins(
    main: Callable[[list[str]], None],
    option: str,
    value: str,
    rule: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([option, value])
    assert ended.value.code == 2
    assert f"error: {option} {rule}" in capsys.readouterr().err


def test_every_size_is_a_candidate_of_auto_and_has_an_assistant_for_each_seed(
    tmp_path: Path,
) -> None:
    one, two = (search_assistant.recipe_of(s, "x", schedule=SCHEDULES["64"]) for s in (1, 2))
    assert teachers(one, tmp_path) == teachers(two, tmp_path)
    for name in ("assistants.1", "student"):
        assert stage(one, tmp_path, name).digest != stage(two, tmp_path, name).digest
    assert len(SCHEDULES) == 1 + len(search_assistant.SIZES)
    auto = search_assistant.recipe_of(1, "x", schedule=search_assistant.AUTO)
    candidate = stage(auto, tmp_path, "assistants.candidates.4")
    assert candidate.digest == stage(one, tmp_path, "assistants.1").digest


def test_a_way_to_choose_has_the_mean_of_what_it_has_chosen() -> None:
    tests = [
        {name: 90.0 + (name == "64") + 2 * (name == "32") for name in SCHEDULES},
        {name: 92.0 + (name == "64") + 2 * (name == "32") for name in SCHEDULES},
    ]
    text = list(search_assistant.lines(["64", "64"], ["32", DIRECT], tests))
    assert "auto: 92.00 %" in text
    assert "search: 92.00 %" in text
    assert "best size in hindsight (32): 93.00 %" in text
    assert any(line.startswith("auto - direct: +1.00") for line in text)
