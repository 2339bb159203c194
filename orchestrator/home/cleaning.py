"""Measures a home, finds what of it can be deleted, and deletes that. It costs time, nothing else.

Only what lies in the home itself is deleted: links are neither followed nor deleted. A folder is
renamed first, under the lock that guards it, so that no process finds half of it.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from orchestrator.home.process_lock import is_locked
from orchestrator.home.run_finder import StoredRun, find_runs
from orchestrator.home.run_status import runs_lock
from orchestrator.home.store import Store, StoredStage
from orchestrator.home.study_stages import stages_of_studies
from orchestrator.planning.digest import LENGTH
from students.storage.outcome import read_outcomes

Kind = Literal["stages", "checkpoints", "cache", "leftovers"]
Counted = Kind | Literal["bank", "rest"]

LABELS: dict[Counted, str] = {
    "stages": "stages",
    "checkpoints": "of these, checkpoints of finished ones",
    "cache": "caches",
    "leftovers": "left by an interrupted clean",
    "bank": "the bank: teachers' answers",
    "rest": "runs, the tracker's, all else",
}

MEASURING = "measuring"
"""The folder of the cache that a measurement writes in, while it holds ``measuring.lock``."""
_ASIDE = ".removed-"
_DECODED = re.compile(rf"([0-9a-f]{{{LENGTH}}}).*")


@dataclass(frozen=True)
class Removable:
    """A folder that can be deleted, and why; ``lock`` guards it, where it has one."""

    kind: Kind
    path: Path
    reason: str
    lock: Path | None = None


@dataclass(frozen=True)
class Kept:
    """A folder that would be deleted, and why it is not."""

    path: Path
    reason: str


@dataclass(frozen=True)
class CleaningPlan:
    """What can be deleted, and what cannot for a reason that the user should read."""

    removable: tuple[Removable, ...]
    kept: tuple[Kept, ...]


@dataclass(frozen=True)
class DiskUsage:
    """One kind of content: its bytes, and how many folders and bytes of it can be deleted."""

    kind: Counted
    bytes: int
    removable: int
    removable_bytes: int


def plan_cleaning(home: Path, *, everything: bool) -> CleaningPlan:
    """Finds what of ``home`` can be deleted: the caches, the checkpoints of finished stages, and
    the stages that no run's report names and no study keeps, or, with ``everything``, all that no
    run and no study is using.
    """
    home = home.resolve()
    runs = find_runs(home)
    busy = [run for run in runs.runs if run.running]
    found: list[Removable | Kept] = [*_leftovers(home), *_caches(home, busy)]
    if (home / "stages").is_symlink():
        found.append(_link(home / "stages"))
    else:
        named, used = _by_stage(runs.runs), _by_stage(busy)
        for study in stages_of_studies(home):
            named |= dict.fromkeys(study.digests, study.title)
            if study.running:
                used |= dict.fromkeys(study.digests, study.title)
        for stage in Store(home).stages():
            found += _of_stage(stage, named, used, everything)
    return CleaningPlan(
        tuple(each for each in found if isinstance(each, Removable)),
        tuple(each for each in found if isinstance(each, Kept)),
    )


def delete(
    home: Path, agreed: Sequence[Removable], *, everything: bool
) -> tuple[list[Removable], list[Kept]]:
    """Deletes what of ``agreed`` can still be deleted; returns what was deleted and what was not.

    Raises:
        OSError: something cannot be deleted; the next clean deletes what was renamed already.
    """
    home = home.resolve()
    gone: list[Removable] = []
    kept: list[Kept] = []
    with runs_lock(home / "runs"):
        still = set(plan_cleaning(home, everything=everything).removable)
        for item in agreed:
            reason = _set_aside(item) if item in still else "it is needed now"
            if reason is None:
                gone.append(item)
            else:
                kept.append(Kept(item.path, reason))
    for item in gone:
        _delete(_aside(item.path))
    return gone, kept


def delete_stages(home: Path, digests: Collection[str]) -> None:
    """Deletes stages that no run's report names, no study keeps and no process is working on.

    Raises:
        OSError: one cannot be deleted.
    """
    removable = plan_cleaning(home, everything=False).removable
    mine = [item for item in removable if item.kind == "stages" and item.path.name in digests]
    delete(home, mine, everything=False)


def _by_stage(runs: Sequence[StoredRun]) -> dict[str, str]:
    """Which run names a stage, by the stage's digest."""
    return {stage.digest: run.report.title for run in runs for stage in run.report.stages}


def _of_stage(
    stage: StoredStage, named: Mapping[str, str], used: Mapping[str, str], everything: bool
) -> Iterator[Removable | Kept]:
    """What of one stage can be deleted; ``named`` are those that reports keep, ``used`` those that
    running runs may read though no process works on them."""
    whole = everything or stage.digest not in named
    reason = "--all was given" if stage.digest in named else "no run's report names it"
    if stage.folder.is_symlink():
        yield _link(stage.folder)
    elif whole and is_locked(stage.lock):
        yield Kept(stage.folder, "a process is working on it")
    elif whole and stage.digest in used:
        yield Kept(stage.folder, f"{used[stage.digest]} is running and may need it")
    elif whole:
        yield Removable("stages", stage.folder, reason, stage.lock)
    elif stage.finished:
        for folder, what in ((stage.checkpoints, "the stage"), (stage.again, "its first training")):
            if folder.is_symlink():
                yield _link(folder)
            elif folder.is_dir() and not is_locked(stage.lock):
                yield Removable("checkpoints", folder, f"{what} is finished", stage.lock)


def _caches(home: Path, busy: Sequence[StoredRun]) -> Iterator[Removable | Kept]:
    """Decoded images and hashes of files; both are made again when needed."""
    cache = home / "cache"
    pictures, hashes, measuring = (
        cache / name for name in ("transfer_sets", "file_hashes", MEASURING)
    )
    for folder in (cache, pictures, hashes, measuring):
        if folder.is_symlink():
            yield _link(folder)
            return
    if busy and cache.is_dir():
        yield Kept(cache, f"{busy[0].report.title} is running and may need it")
        return
    for folder in _folders(pictures):
        match = _DECODED.fullmatch(folder.name)
        if match and is_locked(lock := pictures / f"{match[1]}.lock"):
            yield Kept(folder, "a process is preparing it")
        elif match:
            yield Removable("cache", folder, "it is made again when it is needed", lock)
    if measuring.is_dir() and is_locked(lock := cache / f"{MEASURING}.lock"):
        yield Kept(measuring, "a process is measuring there")
    elif measuring.is_dir():
        yield Removable("cache", measuring, "it is made again when it is needed", lock)
    if hashes.is_dir():
        yield Removable("cache", hashes, "it is made again when it is needed")


def _leftovers(home: Path) -> Iterator[Removable]:
    """What an interrupted clean had renamed already."""
    places = (home / "stages", home / "cache", home / "cache" / "transfer_sets")
    inside = chain.from_iterable(map(_folders, places))
    for folder in chain.from_iterable(map(_folders, chain(places, inside))):
        if folder.name.startswith(_ASIDE):
            yield Removable("leftovers", folder, "an interrupted clean left it")


def _folders(place: Path) -> list[Path]:
    """The folders in ``place``, a path without links, that are no links."""
    if place.resolve() != place or not place.is_dir():
        return []
    return sorted(path for path in place.iterdir() if path.is_dir() and not path.is_symlink())


def _link(path: Path) -> Kept:
    return Kept(path, "it is a link, and links are not followed")


def _set_aside(item: Removable) -> str | None:
    """Renames what is to be deleted, under its lock; returns the reason if it has to stay."""
    with ExitStack() as held:
        if item.lock is not None:
            try:
                held.enter_context(FileLock(item.lock, timeout=0))
            except Timeout:
                return "a process is working on it"
        if item.kind == "checkpoints" and not read_outcomes(item.path.parent):
            return "the stage's outcome is damaged, so the next run resumes it from here"
        aside = _aside(item.path)
        if aside != item.path:
            _delete(aside)
            item.path.replace(aside)
        if item.lock is not None and item.kind != "checkpoints":
            # While it is held: a process that waited for it finds no file, and makes another.
            item.lock.unlink(missing_ok=True)
    return None


def _aside(path: Path) -> Path:
    return path if path.name.startswith(_ASIDE) else path.with_name(_ASIDE + path.name)


def _delete(folder: Path) -> None:
    """Deletes a folder, of which another clean may delete parts too; of links in it, the links."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        shutil.rmtree(folder)  # It raises the error that was ignored.


def disk_usage(home: Path, removable: Sequence[Removable]) -> tuple[DiskUsage, ...]:
    """The size of all in ``home``, and of what can be deleted; no folder is counted in two rows."""
    home = home.resolve()
    sizes: dict[Counted, int] = {
        "stages": size_of(home / "stages"),
        "checkpoints": sum(
            size_of(folder)
            for stage in Store(home).stages()
            for folder in (stage.checkpoints, stage.again)
            if stage.finished and folder.resolve() == folder
        ),
        "cache": size_of(home / "cache"),
        "leftovers": sum(size_of(item.path) for item in removable if item.kind == "leftovers"),
        "bank": size_of(home / "bank"),
    }
    sizes["rest"] = size_of(home) - sizes["stages"] - sizes["cache"] - sizes["bank"]
    usages = []
    for kind, size in sizes.items():
        items = [size_of(item.path) for item in removable if item.kind == kind]
        if size or kind == "rest":
            usages.append(DiskUsage(kind, size, len(items), sum(items)))
    return tuple(usages)


def size_of(path: Path) -> int:
    """The bytes of all files in a folder; links are not followed, a vanished file counts 0."""
    if path.is_symlink():
        return 0
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with suppress(FileNotFoundError):
                total += (Path(folder) / name).lstat().st_size
    return total
