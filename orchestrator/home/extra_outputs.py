"""Adds extra outputs to finished stages, which are trained again for them in a folder beside what
they have left, so that others may read that meanwhile."""

from __future__ import annotations

import shutil
from pathlib import Path

from orchestrator.home.store import Store, StoredStage
from orchestrator.planning.stage import Stage
from students.errors import CheckpointError
from students.storage.outcome import EXTRAS, move_extra, read_outcomes


def training_folder(store: Store, stage: Stage) -> Path:
    """Where ``stage`` is to be trained: in its own folder; where it is finished, but lacks an extra
    output, beside what it has left."""
    folder = store.folder(stage.digest)
    return StoredStage(folder).again if store.outcomes(stage.digest) else folder


def add_extras(store: Store, stage: Stage) -> None:
    """Adds the extra outputs that ``stage`` lacks, once it was trained again beside its outcome,
    and deletes all else of that training.

    Raises:
        CheckpointError: it has ended with other weights, so these are outputs of another training.
    """
    folder = store.folder(stage.digest)
    again = StoredStage(folder).again
    fresh = read_outcomes(again)
    try:
        for name, outcome in store.outcomes(stage.digest).items():
            if name not in fresh or fresh[name].weights_sha256 != outcome.weights_sha256:
                raise CheckpointError(
                    f"stage '{stage.title}' was trained again for {', '.join(stage.extras)}, but "
                    f"has ended with other weights than those in '{folder}', as on another machine "
                    "or with other versions of the libraries; run it where these were made, or "
                    "delete that folder, so that all is trained here"
                )
        for name in store.missing_extras(stage):
            if (again / EXTRAS / name).is_dir():
                move_extra(again, folder, name)
    finally:
        shutil.rmtree(again, ignore_errors=True)
