"""Checkpoints: an engine's canonical state on disk, readable once it is committed.

A stage's folder holds ``checkpoints/step-000123/`` with ``model.safetensors``,
``optimizer.safetensors`` and ``manifest.json`` (step, progress, size and sha256 of each file,
attempt, versions), and ``checkpoints/LATEST``. A commit writes a temporary folder, flushes it,
renames it, and then replaces ``LATEST``; wherever that is interrupted, the last commit stands.
"""

from __future__ import annotations

import hashlib
import platform
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from students.durable_files import TEMPORARY, write_atomically
from students.engines.state_tensors import EngineState
from students.errors import CheckpointError
from students.json_records import json_bytes, read_json
from students.storage.attempts import commit_folder, lock_attempt
from students.storage.step_log import read_committed

_FORMAT = 1
_MANIFEST = "manifest.json"
_MODEL = "model.safetensors"
_OPTIMIZER = "optimizer.safetensors"
_LATEST = "LATEST"
_STEP = re.compile(r"step-(\d{6,})")


@dataclass(frozen=True)
class Checkpoint:
    """A committed checkpoint whose files have been verified."""

    step: int
    progress: Mapping[str, Any]
    folder: Path

    def load(self) -> EngineState:
        """The engine's state, on the CPU."""
        slots: dict[str, dict[str, Tensor]] = {}
        for key, value in safetensors.torch.load_file(self.folder / _OPTIMIZER).items():
            slot, _, name = key.partition(":")
            slots.setdefault(slot, {})[name] = value
        return EngineState(safetensors.torch.load_file(self.folder / _MODEL), slots)


class CheckpointFolder:
    """The checkpoints of one attempt at the stage in ``folder``; only rank 0 holds one."""

    def __init__(self, folder: Path, attempt: int, keep: int) -> None:
        self._stage = folder
        self._attempt = attempt
        self._keep = keep
        self._folder = folder / "checkpoints"

    def commit(self, state: EngineState, progress: Mapping[str, Any], *, step: int) -> Path:
        """Commits ``state`` after ``step`` steps, with the trainer's ``progress``.

        Returns the checkpoint's folder. Older ones, all but ``keep``, are removed once it is
        committed.

        Raises:
            StaleAttempt: a later attempt has begun; nothing has changed.
            CheckpointError: it cannot be written, as on a full disk; the last commit stands.
        """
        target = self._folder / _name(step)
        contents = self._contents(state, progress, step)
        with commit_folder(self._stage, self._attempt, target, contents):
            write_atomically(self._folder / _LATEST, target.name.encode())
            self._remove_all_but_latest(step)
        return target

    def latest(self, warn: Callable[[str], object] = lambda sentence: None) -> Checkpoint | None:
        """The newest committed checkpoint that is intact, with its part of the step log, or none.

        Removes what earlier attempts have left unfinished. ``warn`` is given a sentence for
        each checkpoint that has to be passed over.

        Raises:
            StaleAttempt: a later attempt has begun.
        """
        if not self._folder.is_dir():
            return None
        with lock_attempt(self._stage, self._attempt):
            # This attempt has committed nothing yet: what is unfinished is of earlier ones.
            for unfinished in self._folder.glob(f"{TEMPORARY}*/"):
                shutil.rmtree(unfinished, ignore_errors=True)
        for step in self._committed():
            folder = self._folder / _name(step)
            try:
                found = _verified(folder)
                for _ in read_committed(self._stage, found.progress.get("segments", ())):
                    pass
                return found
            except (OSError, ValueError, KeyError, TypeError, CheckpointError) as error:
                warn(f"{folder} is passed over ({error}); the checkpoint before it is taken")
        return None

    def _contents(
        self, state: EngineState, progress: Mapping[str, Any], step: int
    ) -> dict[str, bytes]:
        slots = {
            f"{slot}:{name}": value
            for slot, values in state.optimizer.items()
            for name, value in values.items()
        }
        files = {
            _MODEL: safetensors.torch.save(dict(state.module)),
            _OPTIMIZER: safetensors.torch.save(slots),
        }
        manifest = {
            "format": _FORMAT,
            "step": step,
            "attempt": self._attempt,
            "progress": progress,
            "files": {name: _size_and_sha256(content) for name, content in files.items()},
            "versions": {
                "python": platform.python_version(),
                "torch": torch.__version__,
                "safetensors": safetensors.__version__,
            },
        }
        return {**files, _MANIFEST: json_bytes(manifest)}

    def _remove_all_but_latest(self, newest: int) -> None:
        """Removes checkpoints beyond the newest, which were never committed, and old ones."""
        steps = self._steps()
        kept = [step for step in steps if step <= newest][: self._keep]
        for step in steps:
            if step not in kept:
                shutil.rmtree(self._folder / _name(step), ignore_errors=True)

    def _steps(self) -> list[int]:
        """The steps of which there is a folder, newest first."""
        names = (_STEP.fullmatch(path.name) for path in self._folder.iterdir())
        return sorted((int(match[1]) for match in names if match), reverse=True)

    def _committed(self) -> list[int]:
        """The steps from LATEST backwards; all steps, where LATEST is missing or damaged."""
        try:
            match = _STEP.fullmatch((self._folder / _LATEST).read_text().strip())
        except (OSError, UnicodeDecodeError):
            match = None
        return [step for step in self._steps() if match is None or step <= int(match[1])]


def _name(step: int) -> str:
    return f"step-{step:06d}"


def _size_and_sha256(content: bytes) -> dict[str, Any]:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _verified(folder: Path) -> Checkpoint:
    """The checkpoint in ``folder``, if every file is as the manifest says."""
    manifest = read_json(folder / _MANIFEST)
    if manifest["format"] != _FORMAT:
        raise ValueError(f"its format is {manifest['format']}, not {_FORMAT}")
    if set(manifest["files"]) != {_MODEL, _OPTIMIZER}:
        raise ValueError(f"its manifest does not name {_MODEL} and {_OPTIMIZER}")
    for name, expected in manifest["files"].items():
        if _size_and_sha256((folder / name).read_bytes()) != expected:
            raise ValueError(f"{name} is not what the manifest says")
    return Checkpoint(int(manifest["step"]), dict(manifest["progress"]), folder)
