"""The samples and files that a run was planned with, and what has changed where others are found.

Imports no torch, so that planning does not either.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from students.errors import TransferSetError, UserError
from students.json_records import read_json, write_json
from students.transfer_sets.config import CustomTransferSet, TransferSetConfig
from students.transfer_sets.identity import RETURNED, hash_of, identity_of


class PlannedFile(NamedTuple):
    """A file of weights or of code: its ``place`` in the recipe, and the hash that it had when the
    run was planned."""

    place: str
    path: Path
    sha256: str

    @classmethod
    def at(cls, place: str, path: Path, cache: Path) -> PlannedFile:
        """The file as it is now.

        Raises:
            OSError: it cannot be read.
        """
        return cls(place, path, hash_of(path, cache))


@dataclass(frozen=True)
class PlannedData:
    """The transfer set's section and the identity that it had when the run was planned; the
    recipe's ``folder``, for relative paths and custom code; the ``cache`` of decoded data and of
    files' hashes; and the files of the ``models``."""

    transfer_set: TransferSetConfig
    identity: str
    folder: Path
    cache: Path
    models: tuple[PlannedFile, ...] = ()

    def check_models(self) -> None:
        """Refuses files of models that have changed.

        Raises:
            UserError: the first that has.
        """
        for file in self.models:
            try:
                changed = file != PlannedFile.at(file.place, file.path, self.cache)
            except OSError:
                changed = True
            if changed:
                raise UserError(
                    f"`{file.place}` is '{file.path}', which has changed since this run was "
                    "planned; put it back, or run again with the file as it is now, and leave it "
                    "so until the run has ended.",
                    path=file.place,
                )

    def check_files(self, files: Mapping[str, str]) -> None:
        """Refuses ``files`` (``identity.contents_of``) that are not those that were planned.

        Raises:
            TransferSetError: the sentence says what has changed.
        """
        config = self.transfer_set
        if not isinstance(config, CustomTransferSet):
            if identity_of(config, files) != self.identity:
                raise self._has_changed(files)
            return
        planned = recorded_contents(config, self.identity, self.cache)
        if planned and planned[config.file] != files[config.file]:
            raise self._has_changed(files)

    def check_loaded(self, contents: Mapping[str, str]) -> None:
        """Refuses what a function has returned if it is not what was planned.

        Raises:
            TransferSetError: it is not.
        """
        if identity_of(self.transfer_set, contents) != self.identity:
            raise returns_other_data(self.transfer_set)

    def _has_changed(self, files: Mapping[str, str]) -> TransferSetError:
        config = self.transfer_set
        planned = recorded_contents(config, self.identity, self.cache)
        place = "source" if isinstance(config, CustomTransferSet) else "root"
        return TransferSetError(
            f"`transfer_set.{place}` is '{getattr(config, place)}', where data have changed since "
            f"this run was planned{_difference(planned or {}, files)}; put them back, or run again "
            "with the data as they are now, and change none until the run has ended.",
            path=f"transfer_set.{place}",
        )


def returns_other_data(config: TransferSetConfig) -> TransferSetError:
    """The error of a function that does not return the same each time it is called."""
    return TransferSetError(
        f"`transfer_set.source` is '{config.custom_source}', which returns other data each time "
        "it is called; seed whatever it draws at random, sort what it takes from a folder or a "
        "set, and change no file that it reads until the run has ended.",
        path="transfer_set.source",
    )


def record_contents(config: TransferSetConfig, contents: Mapping[str, str], cache: Path) -> None:
    """Keeps what the identity of a transfer set is made of, so that a later change can be named."""
    file = _file(identity_of(config, contents), cache)
    if not file.exists():
        # Without this file only the names in a sentence are lost.
        with contextlib.suppress(OSError):
            write_json(file, contents)


def recorded_contents(
    config: TransferSetConfig, identity: str, cache: Path
) -> dict[str, str] | None:
    """What ``identity`` was made of; none where that was not kept, or is damaged."""
    try:
        contents = read_json(_file(identity, cache))
        return contents if identity_of(config, contents) == identity else None
    except (OSError, ValueError, KeyError):
        return None


def _file(identity: str, cache: Path) -> Path:
    return cache / "contents" / f"{identity}.json"


def _difference(planned: Mapping[str, str], found: Mapping[str, str]) -> str:
    """Which files were added, removed or changed; empty if nothing is known of what was planned."""
    if not planned:
        return ""
    kinds = {
        "added": [name for name in found if name not in planned],
        "removed": [name for name in planned if name not in found and name != RETURNED],
        "changed": [name for name in found if planned.get(name, found[name]) != found[name]],
    }
    parts = [
        f"{len(names)} {kind}, {'first ' if len(names) > 1 else ''}'{names[0]}'"
        for kind, names in kinds.items()
        if names
    ]
    return f" ({'; '.join(parts)})"
