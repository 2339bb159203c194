"""An error of a teacher names it, in the process that asked and in the driver's."""

from __future__ import annotations

import pickle

from teachers.errors import TeacherLost, TeacherSilent


def test_errors_of_a_teacher_name_it_also_in_another_process() -> None:
    made: list[TeacherLost | TeacherSilent] = [
        TeacherLost("a", 1, "it fell"),
        TeacherSilent("a", 1, 8.0),
        TeacherSilent("a", 1, 8.0, 0.25),
    ]
    for error in made:
        again = pickle.loads(pickle.dumps(error))  # noqa: S301 - made here
        assert (vars(again), str(again)) == (vars(error), str(error))
    assert [str(error) for error in made] == [
        "teacher 'a' is lost (replica 1: it fell); run the same command again to go on, or set "
        "`ensemble.on_teacher_loss` to wait",
        *(
            f"teacher 'a' (replica 1) gave no answer for 8 s, and {before} (`timeouts.teacher`); "
            "run the same command again to go on, or raise that setting if its answers take longer"
            for before in ("none before", "the slowest after 0.25 s")
        ),
    ]
