"""Claims about the arithmetic of a prediction, at its limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.profiling.throughput_model import (
    BankCosts,
    Role,
    Work,
    role,
    slowed,
    speeds,
    together,
    whole,
)

RATES = st.floats(1.0, 1e5)
ROLES = st.lists(
    st.builds(role, RATES, threads=st.integers(1, 8), processes=st.integers(1, 4),
              cores=st.just(4)),
    min_size=1,
    max_size=6,
)  # fmt: skip
NOTHING = BankCosts(0.0, 0.0)


def one(rate: float, threads: int = 1, cores: int = 2) -> Role:
    return role(rate, threads=threads, processes=1, cores=cores)


def test_with_cores_for_all_the_slowest_role_sets_the_pace() -> None:
    assert together([one(1600), one(900), one(5000)], 1000) == 900


def test_on_one_core_the_seconds_of_all_roles_add_up() -> None:
    found = together([one(1000), one(1000), one(500)], 1)
    assert found == pytest.approx(1 / (1 / 1000 + 1 / 1000 + 1 / 500))


@given(ROLES)
def test_no_roles_together_are_faster_than_the_slowest_or_slower_than_in_turn(
    roles: list[Role],
) -> None:
    found = together(roles, 4)
    assert found <= min(each.rate for each in roles)
    assert found >= together(roles, 4, parallel=False) / 4 * (1 - 1e-9)


@given(ROLES, st.integers(1, 8))
def test_more_cores_never_make_it_slower_nor_does_one_role_less(
    roles: list[Role], cores: int
) -> None:
    assert together(roles, cores + 1) >= together(roles, cores)
    assert together(roles, cores) <= together(roles[:1], cores)


def test_a_role_of_twice_the_processes_does_twice_as_much_until_the_cores_are_used_up() -> None:
    two = role(100, threads=1, processes=2, cores=4)
    assert together([two], 4) == 200
    assert together([two], 1) == 100


def test_threads_beyond_the_cores_cost_no_more_than_the_cores() -> None:
    assert role(100, threads=8, processes=1, cores=2).core_seconds == 2 / 100


def test_what_is_read_takes_its_time_from_the_student() -> None:
    assert slowed(one(1000), 0.001).rate == pytest.approx(500)
    assert slowed(one(1000), 0.0) == one(1000)


def test_a_filled_bank_that_costs_nothing_leaves_the_student_by_itself() -> None:
    student, teachers = one(1000), {"a": one(500), "b": one(2000)}
    found = speeds(student, student, one(1250), teachers, NOTHING, 2, parallel=True)
    assert found.filled == 1000
    assert found.live == found.filling == together([student, *teachers.values()], 2)
    assert found.of_untaught()["filled"] == pytest.approx(0.8)


def test_filling_is_slower_than_live_by_what_keeping_costs() -> None:
    student, teachers = one(10_000), {"a": one(500)}
    costs = BankCosts(read_seconds=0.0001, write_seconds=0.0005)
    found = speeds(student, student, student, teachers, costs, 100, parallel=True)
    assert found.live == 500
    assert found.filling == pytest.approx(1 / (1 / 500 + 0.0005))
    assert found.filled == pytest.approx(1 / (1 / 10_000 + 0.0001))


def test_a_teacher_whose_answers_are_not_kept_is_asked_though_the_bank_is_filled() -> None:
    student, teachers = one(1000), {"a": one(500), "b": one(400)}
    found = speeds(student, student, student, teachers, NOTHING, 9, parallel=True, unkept={"b"})
    assert found.filled == 400


def test_without_a_bank_there_is_live_teaching_alone() -> None:
    found = speeds(one(100), one(100), one(100), {"a": one(50)}, None, 2, parallel=True)
    assert (found.filling, found.filled) == (None, None)
    assert set(found.of_untaught()) == {"live"}


def test_a_student_has_more_threads_when_no_teacher_is_started() -> None:
    student, alone = one(900), one(1600, threads=2)
    found = speeds(student, alone, alone, {"a": one(10_000)}, NOTHING, 2, parallel=True)
    assert found.filled == 1600
    assert found.live < 900 + 1e-9


def test_the_whole_run_is_its_longest_chain_or_the_work_that_the_cores_do() -> None:
    teachers = [Work("teachers.a", 10, 10), Work("teachers.b", 4, 4)]
    student = Work("student", 6, 6, needs=("teachers.a", "teachers.b"))
    assert whole([*teachers, student], 100) == 16
    assert whole([*teachers, student], 1) == 20
    assert whole([*teachers, student], 100, parallel=False) == 20
    assert whole([student], 2) == 6, "what is stored is not waited for"
    assert whole([], 2) == 0
