"""Loads a transfer set by its kind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from students.errors import TransferSetError, UserError
from students.transfer_sets.config import (
    CustomTransferSet,
    Digits,
    ImageFolder,
    Published,
    TransferSetConfig,
)
from students.transfer_sets.custom_set import load_custom
from students.transfer_sets.decoded_cache import empty_array, load_or_make
from students.transfer_sets.digits import content_of, load_digits
from students.transfer_sets.examples import Examples, check_examples, measured
from students.transfer_sets.identity import RETURNED, contents_of, identity_of, root_of
from students.transfer_sets.image_files import decode_into
from students.transfer_sets.image_folder import read_layout
from students.transfer_sets.planned_data import (
    PlannedData,
    record_contents,
    recorded_contents,
    returns_other_data,
)
from students.transfer_sets.splits import class_counts
from students.transfer_sets.torchvision_sets import download, load_published
from students.transfer_sets.transfer_set import TransferSet


def load_transfer_set(config: TransferSetConfig, *, folder: Path, cache: Path) -> TransferSet:
    """The transfer set that ``config`` names, checked, to plan a run; ``folder`` is the recipe's.

    A published set is downloaded if it is absent. Decoded pictures are kept in ``cache``
    and mapped, so that processes on one machine share them. A custom set is loaded twice, unless
    the same one was loaded before.

    Raises:
        TransferSetError: the data are absent, damaged, or do not allow the parts asked for; a
            function does not return the same each time.
        UserError: the file of a custom set cannot be run.
    """
    data = _Data(config, folder, cache)
    files = data.files()
    examples, contents = data.load(files)
    identity = identity_of(config, contents)
    if isinstance(config, CustomTransferSet):
        known = recorded_contents(config, identity, cache) == contents
        if not known and data.load(files)[1] != contents:
            raise returns_other_data(config)
    record_contents(config, contents, cache)
    return _transfer_set(config, examples, identity)


def load_planned(planned: PlannedData) -> TransferSet:
    """The transfer set that a run was planned with: what each of its roles loads, before its model.

    Raises:
        TransferSetError: the data are no longer those, absent or damaged.
        UserError: the file of a custom set cannot be run, or a file of a model has changed.
    """
    config = planned.transfer_set
    data = _Data(config, planned.folder, planned.cache)
    try:
        files = data.files()
    except UserError as problem:
        raise TransferSetError(
            f"The data have changed since this run was planned: {problem}", path="transfer_set"
        ) from problem
    planned.check_files(files)
    examples, contents = data.load(files)
    planned.check_loaded(contents)
    # As late as can be: a role loads its model right after this.
    planned.check_models()
    return _transfer_set(config, examples, planned.identity)


@dataclass(frozen=True)
class _Data:
    """The data that ``config`` names, wherever they lie."""

    config: TransferSetConfig
    folder: Path
    cache: Path

    def files(self) -> dict[str, str]:
        """The hashes of their files, which are downloaded if they are absent."""
        if isinstance(self.config, Published):
            download(self.config, root_of(self.config, self.folder))
        return contents_of(self.config, folder=self.folder, cache=self.cache)

    def load(self, files: dict[str, str]) -> tuple[Examples, dict[str, str]]:
        """The examples in ``files``, and the hashes of all that was loaded."""
        config, examples = self.config, self._examples(files)
        check_examples(examples)
        if isinstance(config, CustomTransferSet):
            return examples, {config.file: files[config.file], RETURNED: content_of(examples)}
        return examples, files

    def _examples(self, files: dict[str, str]) -> Examples:
        config = self.config
        if isinstance(config, CustomTransferSet):
            return load_custom(config, self.folder)
        if isinstance(config, Digits):
            return load_digits()
        root = root_of(config, self.folder)

        def make(scratch: Path) -> Examples:
            if isinstance(config, ImageFolder):
                examples = _decode_folder(config, root, scratch)
            else:
                examples = load_published(config, root)
            if contents_of(config, folder=self.folder, cache=self.cache) != files:
                raise TransferSetError(
                    f"`transfer_set.root` is '{config.root}', which has changed while it was read; "
                    "run again once nothing is written there any more.",
                    path="root",
                )
            return examples

        key = [config.kind, identity_of(config, files), *config.decoding.values()]
        return load_or_make(key, cache=self.cache, make=make)


def _decode_folder(config: ImageFolder, root: Path, scratch: Path) -> Examples:
    layout = read_layout(root, config.parts)
    inputs = empty_array(scratch, (len(layout.names), config.channels, config.size, config.size))
    decode_into(inputs, (root / name for name in layout.names))
    targets = np.array([number for _, number in (*layout.train, *layout.test)], np.int64)
    return measured(inputs, targets, layout.class_names, len(layout.train))


def _transfer_set(config: TransferSetConfig, examples: Examples, identity: str) -> TransferSet:
    given = {**vars(examples), "inputs": torch.from_numpy(examples.inputs)}
    loaded = TransferSet(config=config, identity=identity, **given)
    _check_parts(loaded)
    return loaded


def _check_parts(loaded: TransferSet) -> None:
    """Checks that there are samples in the parts that the recipe asks for."""
    validation = loaded.config.validation
    if isinstance(validation, int) and validation >= loaded.train_count:
        raise _problem(
            "validation",
            f"is {validation}, but the training part has {loaded.train_count} samples; ask for "
            "fewer",
        )
    if validation != "none" and len(loaded.validation_ids) == 0:
        raise _problem(
            "validation",
            f"is {validation}, which is no sample of the {loaded.train_count} in the training "
            "part; give a larger share, or write none",
        )
    left = class_counts(loaded.targets[loaded.teacher_ids()], loaded.classes)
    if left.min() == 0:
        raise _problem(
            "validation",
            f"is {validation}, which takes every training sample of class {int(left.argmin())}; "
            "ask for less, or write none",
        )


def _problem(place: str, text: str) -> TransferSetError:
    return TransferSetError(f"`transfer_set.{place}` {text}.", path=place)
