"""A chain: models one after another, each taught by the one before or by all before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from orchestrator.planning.stage import Stage, StageRole, TeacherRef
from orchestrator.planning.stage_maker import StageMaker
from orchestrator.schedule_config import Assistants, BornAgain, Offline
from students.specs import StudentSpec


def chain_stages(
    maker: StageMaker,
    schedule: Offline | Assistants | BornAgain,
    links: Mapping[str, str],
    link_role: StageRole,
    teachers: Sequence[TeacherRef],
    repeat: int,
) -> Iterator[Stage]:
    """The stages of ``links``, the first of which ``teachers`` teach, then the student's.

    ``links`` are the places of intermediate models in the recipe, by the names of their stages.
    Each is taught by the one before alone; or, where the schedule says so, by all before and the
    teachers, which are weighted by the ensemble's rule.
    """
    by, alone = tuple(teachers), False

    def taught(name: str, spec: StudentSpec, role: StageRole, repeat: int) -> Stage:
        if alone:
            return maker.taught_by_one(name, spec, role, by[0], repeat)
        return maker.taught(name, spec, role, by, repeat)

    for name, path in links.items():
        stage = taught(name, maker.intermediate(path, by), link_role, 0)
        yield stage
        link = maker.finished_ref(stage)
        by, alone = ((*by, link), False) if schedule.taught_by == "all" else ((link,), True)
    yield taught("student", maker.student(repeat), StageRole.STUDENT, repeat)
