"""From what each role does alone to what all of them do together: arithmetic, nothing measured.

A role that has its cores to itself answers or learns ``rate`` samples a second; one sample costs
it ``core_seconds``. Roles that work beside each other on one machine are bounded twice: nobody
goes faster than the slowest of them, and all of them together use no more than the cores there
are:

    rate = min( min_i rate_i, cores / sum_i core_seconds_i )

Both bounds are reached where look-ahead is long enough to keep every role busy, and where cores
are what roles share; memory bandwidth, caches and clock rates are shared too, so what comes is
rather less than this. Roles of one process take turns, and their seconds add up.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Role:
    """What one role does on its own: samples a second, and the core-seconds of one sample."""

    rate: float
    core_seconds: float


def role(rate: float, *, threads: int, processes: int, cores: int) -> Role:
    """A role of so many like processes, one of which does ``rate`` samples/s on its threads."""
    return Role(rate * processes, min(threads, cores) / rate)


def slowed(one: Role, seconds: float, processes: int = 1) -> Role:
    """The role when each sample costs it ``seconds`` more of one core."""
    return Role(1.0 / (1.0 / one.rate + seconds / processes), one.core_seconds + seconds)


def together(roles: Sequence[Role], cores: int, *, parallel: bool = True) -> float:
    """Samples a second that pass all of ``roles`` (at least one).

    ``parallel`` is false where they are one process, and each waits for the others.
    """
    if not parallel:
        return 1.0 / sum(1.0 / each.rate for each in roles)
    slowest = min(each.rate for each in roles)
    return min(slowest, cores / sum(each.core_seconds for each in roles))


@dataclass(frozen=True)
class Work:
    """One stage: its ``seconds`` when nothing runs beside it, and what it takes of the cores.

    ``needs`` are the names of stages that must be done before.
    """

    name: str
    seconds: float
    core_seconds: float
    needs: tuple[str, ...] = ()


def whole(stages: Sequence[Work], cores: int, *, parallel: bool = True) -> float:
    """The seconds of all ``stages``, each after those it needs.

    Stages that need not wait for each other run beside each other: the longest chain is a bound
    from below, what all of them take of the cores another; the larger is the answer.
    """
    if not parallel:
        return sum(stage.seconds for stage in stages)
    ends: dict[str, float] = {}
    for stage in stages:
        begins = max((ends[need] for need in stage.needs if need in ends), default=0.0)
        ends[stage.name] = begins + stage.seconds
    work = sum(stage.core_seconds for stage in stages)
    return max(work / cores, max(ends.values(), default=0.0))


@dataclass(frozen=True)
class Speeds:
    """The taught student's samples a second, by where its answers come from.

    ``live``: asked, and not kept; ``filling``: asked, and kept; ``filled``: all that is kept is
    stored. The last two are none without a bank.
    """

    live: float
    filling: float | None
    filled: float | None
    untaught: float

    def of_untaught(self) -> dict[str, float]:
        """Each as a share of the untaught student's."""
        found = {"live": self.live, "filling": self.filling, "filled": self.filled}
        return {name: rate / self.untaught for name, rate in found.items() if rate is not None}


@dataclass(frozen=True)
class BankCosts:
    """What one answer of one teacher costs: seconds of one core to read and to keep it."""

    read_seconds: float
    write_seconds: float


def speeds(
    student: Role,
    alone: Role,
    untaught: Role,
    teachers: Mapping[str, Role],
    bank: BankCosts | None,
    cores: int,
    *,
    parallel: bool,
    unkept: Collection[str] = (),
) -> Speeds:
    """What a taught student does, from what each role does by itself.

    ``student`` has the threads that are left to it beside its teachers, ``alone`` those that it
    has when no teacher is started. A teacher keeps its answers itself; the student reads them.
    The teachers ``unkept`` compute every answer, whatever is stored.
    """
    live = together([student, *teachers.values()], cores, parallel=parallel)
    filling = filled = None
    if bank is not None:
        keeping = [slowed(each, bank.write_seconds) for each in teachers.values()]
        filling = together([student, *keeping], cores, parallel=parallel)
        asked = [teachers[name] for name in unkept]
        read_seconds = (len(teachers) - len(asked)) * bank.read_seconds
        reading = slowed(student if asked else alone, read_seconds)
        filled = together([reading, *asked], cores, parallel=parallel)
    base = together([untaught], cores, parallel=parallel)
    return Speeds(live, filling, filled, base)
