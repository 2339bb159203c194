"""A chain: models one after another, each taught by the one before or by all before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from orchestrator.planning.stage import Stage, StageRole, TeacherRef
from orchestrator.planning.stage_maker import StageMaker
from students.specs import StudentSpec


def chain_stages(
    maker: StageMaker,
    teachers: Sequence[TeacherRef],
    links: Mapping[str, str],
    role: StageRole,
    *,
    by_all: bool,
    repeat: int,
) -> Iterator[Stage]:
    """The stages of ``links``, the first of which ``teachers`` teach, then the student's.

    ``links`` are the places of intermediate models in the recipe, by the names of their stages.
    Each is taught by the one before alone, or with ``by_all`` by all before and the
    teachers, which are weighted by the ensemble's rule.
    """
    before: list[TeacherRef] = []

    def taught(name: str, spec: StudentSpec, role: StageRole, repeat: int) -> Stage:
        if before and not by_all:
            return maker.taught_by_one(name, spec, role, before[-1], repeat)
        return maker.taught(name, spec, role, (*teachers, *before), repeat)

    for name, path in links.items():
        by = before[-1:] if before and not by_all else [*teachers, *before]
        stage = taught(name, maker.intermediate(path, by), role, 0)
        yield stage
        before.append(maker.finished_ref(stage))
    yield taught("student", maker.student(repeat), StageRole.STUDENT, repeat)
