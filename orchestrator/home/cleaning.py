"""Judges what of a home can go, and takes it away. Deleting costs time, nothing else.

What goes lies in the home itself: links are neither followed nor deleted. It is renamed first,
under the lock that guards it, so that nobody finds half of it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from orchestrator.home.locks import is_held
from orchestrator.home.run_finder import StoredRun, find_runs
from orchestrator.home.run_status import marking
from orchestrator.home.stored_stages import StoredStage, stored_stages
from orchestrator.planning.digest import LENGTH

Kind = Literal["stages", "checkpoints", "cache", "remains"]

MEASURING = "measuring"
"""The folder of the cache that a measurement writes in; it holds ``measuring.lock`` meanwhile."""
_ASIDE = ".removed-"
_PREPARED = re.compile(rf"([0-9a-f]{{{LENGTH}}}).*")


@dataclass(frozen=True)
class Item:
    """A folder that can go, and why; ``lock`` guards it, where it has one."""

    kind: Kind
    path: Path
    why: str
    lock: Path | None = None


@dataclass(frozen=True)
class Kept:
    """A folder that would go, and what keeps it."""

    path: Path
    why: str


@dataclass(frozen=True)
class Judgement:
    """What can go, and what would but for a reason worth telling."""

    removable: tuple[Item, ...]
    kept: tuple[Kept, ...]


def judge(home: Path, *, everything: bool) -> Judgement:
    """Says what of ``home`` can go: the caches, the checkpoints of finished stages, and the
    stages that no run's report names, or, with ``everything``, all that no run is using.
    """
    home = home.resolve()
    runs = find_runs(home)
    busy = [run for run in runs.runs if run.under_way]
    judged: list[Item | Kept] = [*_remains(home), *_caches(home, busy)]
    if (home / "stages").is_symlink():
        judged.append(_link(home / "stages"))
    else:
        named, used = _by_stage(runs.runs), _by_stage(busy)
        for stage in stored_stages(home):
            judged += _of_stage(stage, named, used, everything)
    return Judgement(
        tuple(each for each in judged if isinstance(each, Item)),
        tuple(each for each in judged if isinstance(each, Kept)),
    )


def delete(
    home: Path, agreed: Sequence[Item], *, everything: bool
) -> tuple[list[Item], list[Kept]]:
    """Deletes what of ``agreed`` can still go; gives what went and what did not.

    Raises:
        OSError: something cannot be deleted; what was renamed before goes with the next clean.
    """
    home = home.resolve()
    gone: list[Item] = []
    kept: list[Kept] = []
    with marking(home / "runs"):
        still = set(judge(home, everything=everything).removable)
        for item in agreed:
            reason = _set_aside(item) if item in still else "it is wanted now"
            if reason is None:
                gone.append(item)
            else:
                kept.append(Kept(item.path, reason))
    for item in gone:
        _delete(_aside(item.path))
    return gone, kept


def _by_stage(runs: Sequence[StoredRun]) -> dict[str, str]:
    """Which run names a stage, by the stage's digest."""
    return {stage.digest: run.title for run in runs for stage in run.report.stages}


def _of_stage(
    stage: StoredStage, named: Mapping[str, str], used: Mapping[str, str], everything: bool
) -> Iterator[Item | Kept]:
    """What of one stage can go; ``named`` are those that reports keep, ``used`` those that runs
    under way may read though nobody works on them."""
    whole = everything or stage.digest not in named
    why = "all were asked for" if stage.digest in named else "no run's report names it"
    if stage.folder.is_symlink():
        yield _link(stage.folder)
    elif whole and is_held(stage.lock):
        yield Kept(stage.folder, "a process is working on it")
    elif whole and stage.digest in used:
        yield Kept(stage.folder, f"{used[stage.digest]} is under way and may need it")
    elif whole:
        yield Item("stages", stage.folder, why, stage.lock)
    elif stage.finished and stage.checkpoints.is_symlink():
        yield _link(stage.checkpoints)
    elif stage.finished and stage.checkpoints.is_dir() and not is_held(stage.lock):
        yield Item("checkpoints", stage.checkpoints, "the stage is finished", stage.lock)


def _caches(home: Path, busy: Sequence[StoredRun]) -> Iterator[Item | Kept]:
    """Prepared pictures and remembered hashes of files; both are made again when wanted."""
    cache = home / "cache"
    pictures, hashes, measuring = (
        cache / name for name in ("transfer_sets", "file_hashes", MEASURING)
    )
    for folder in (cache, pictures, hashes, measuring):
        if folder.is_symlink():
            yield _link(folder)
            return
    if busy and cache.is_dir():
        yield Kept(cache, f"{busy[0].title} is under way and may need it")
        return
    for folder in _folders(pictures):
        match = _PREPARED.fullmatch(folder.name)
        if match and is_held(lock := pictures / f"{match[1]}.lock"):
            yield Kept(folder, "a process is preparing it")
        elif match:
            yield Item("cache", folder, "it is made again when it is wanted", lock)
    if measuring.is_dir() and is_held(lock := cache / f"{MEASURING}.lock"):
        yield Kept(measuring, "a process is measuring there")
    elif measuring.is_dir():
        yield Item("cache", measuring, "it is made again when it is wanted", lock)
    if hashes.is_dir():
        yield Item("cache", hashes, "it is made again when it is wanted")


def _remains(home: Path) -> Iterator[Item]:
    """What a clean that was broken off had renamed already."""
    places = (home / "stages", home / "cache", home / "cache" / "transfer_sets")
    inside = chain.from_iterable(map(_folders, places))
    for folder in chain.from_iterable(map(_folders, chain(places, inside))):
        if folder.name.startswith(_ASIDE):
            yield Item("remains", folder, "a clean that was broken off left it")


def _folders(place: Path) -> list[Path]:
    """The folders in ``place``, a path without links, that are no links."""
    if place.resolve() != place or not place.is_dir():
        return []
    return sorted(path for path in place.iterdir() if path.is_dir() and not path.is_symlink())


def _link(path: Path) -> Kept:
    return Kept(path, "it is a link, and links are not followed")


def _set_aside(item: Item) -> str | None:
    """Renames what is to go, under its lock; gives the reason if it has to stay."""
    with _held(item.lock) as held:
        if not held:
            return "a process is working on it"
        if item.kind == "checkpoints" and not _has_whole_outcome(item.path.parent):
            return "the stage's outcome is damaged, so it goes on from here when it is run again"
        aside = _aside(item.path)
        if aside != item.path:
            _delete(aside)
            item.path.replace(aside)
        if item.lock is not None and item.kind != "checkpoints":
            # While it is held: who waited for it finds that it has no name, and makes another.
            item.lock.unlink(missing_ok=True)
    return None


@contextmanager
def _held(lock: Path | None) -> Iterator[bool]:
    """Holds ``lock`` if it is free; says whether it was."""
    if lock is None:
        yield True
        return
    file = FileLock(lock)
    try:
        file.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        file.release()


def _has_whole_outcome(folder: Path) -> bool:
    from students.storage.outcome import read_outcome

    return read_outcome(folder) is not None


def _aside(path: Path) -> Path:
    return path if path.name.startswith(_ASIDE) else path.with_name(_ASIDE + path.name)


def _delete(folder: Path) -> None:
    """Deletes a folder and, of links in it, the links themselves."""

    def unless_gone(function: Callable[..., Any], path: str, error: Any) -> None:
        if not isinstance(error[1], FileNotFoundError):
            raise error[1]

    shutil.rmtree(folder, onerror=unless_gone)
