"""What a prediction rests on, in sentences: whoever reads a figure may judge it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orchestrator.profiling.measured_plan import MeasuredTeacher
from orchestrator.profiling.stage_estimate import Parts


def assumptions(parts: Parts, teachers: Mapping[str, MeasuredTeacher]) -> tuple[str, ...]:
    """The assumptions of one prediction."""
    return tuple(_sentences(parts, teachers))


def _sentences(parts: Parts, teachers: Mapping[str, MeasuredTeacher]) -> Iterator[str]:
    cores = f"{parts.cores} core" + "s" * (parts.cores != 1)
    yield (
        f"Each role was timed alone, for some seconds; together they are taken to share {cores} "
        "without loss, so what comes is rather slower."
        if parts.parallel
        else "Each role was timed alone, for some seconds; in one process they take turns."
    )
    if any(each.fresh for each in teachers.values()):
        names = ", ".join(name for name, each in teachers.items() if each.fresh)
        yield f"Still to be trained, so timed with fresh weights: {names}."
    tried = [each for each in teachers.values() if each.gain is not None]
    if any("compiled" not in each.inference for each in tried):
        yield "A run may also compile a teacher, where that repays its cost; here it was not tried."
    if parts.start_seconds:
        yield (
            f"Each stage is taken to begin with {parts.start_seconds:.1f} s, in which a fresh "
            "process imported here what a rank needs; where one is idle a run is spared them."
        )
    yield (
        "Steps were timed on the torch engine; what DeepSpeed and several ranks add, the start of "
        "Ray, and the way of answers between processes are not counted."
    )
