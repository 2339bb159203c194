"""Where a measurement runs stages: a scratch home beside the real one, and the run's own parts.

Waits for another measurement in the same home; freed by its end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from cluster.runtime import Runtime
from orchestrator.deep_check.deep_check import CheckedPlan
from orchestrator.execution.role_specs import RoleSpecs
from orchestrator.execution.stage_runner import StageRunner
from orchestrator.home.cleaning import MEASURING
from orchestrator.home.store import Store
from orchestrator.planning.plan import Plan, Stage
from students.storage.outcome import read_outcome
from students.training.warning_relay import LOGGER
from students.transfer_sets.transfer_set import TransferSet


@dataclass(frozen=True)
class Bench:
    """A plan to be timed on ``runtime``, each stage and teacher for ``seconds``.

    What is written lies in ``scratch``; what is stored already is looked up in ``store``. ``say``
    gets a line about each thing that is timed.
    """

    checked: CheckedPlan
    store: Store
    scratch: Store
    runtime: Runtime
    cores: int
    seconds: float
    say: Callable[[str], None]

    @property
    def transfer_set(self) -> TransferSet:
        """The plan's data."""
        return self.checked.transfer_set

    @cached_property
    def plan(self) -> Plan:
        """The plan, in which a teacher that is still to be trained need not pass the gate."""
        plan = self.checked.plan
        teachers = {
            name: config
            if config.weights or self.is_stored(plan.stage(f"teachers.{name}"))
            else config.model_copy(update={"gate": "warn"})
            for name, config in plan.recipe.teachers.items()
        }
        return replace(plan, recipe=plan.recipe.model_copy(update={"teachers": teachers}))

    @cached_property
    def runner(self) -> StageRunner:
        """Runs stages in the scratch home."""
        specs = RoleSpecs(self.plan, self.scratch, self.checked.hint_shapes)
        return StageRunner(self.runtime, specs, self.transfer_set)

    @cached_property
    def real_runner(self) -> StageRunner:
        """Looks up what the real home has; runs nothing."""
        specs = RoleSpecs(self.plan, self.store, self.checked.hint_shapes)
        return StageRunner(self.runtime, specs, self.transfer_set)

    def is_stored(self, stage: Stage) -> bool:
        """Whether the real home has the stage's outcome."""
        return read_outcome(self.store.folder(stage.digest)) is not None


@contextmanager
def scratch_home(store: Store) -> Iterator[Store]:
    """An empty home inside the cache of ``store``, whose transfer sets it shares.

    One at a time: two measurements would measure each other. Warnings about teachers that answer
    with untrained weights are not shown meanwhile.
    """
    folder = store.cache / MEASURING
    folder.mkdir(parents=True, exist_ok=True)
    logger = logging.getLogger(LOGGER)
    with FileLock(f"{folder}.lock"), TemporaryDirectory(dir=folder) as home:
        scratch = Store(Path(home))
        scratch.prepare()
        for each in store.cache.iterdir():
            if each.is_dir() and each.name not in (MEASURING, "teachers"):
                (scratch.cache / each.name).symlink_to(each)
        logger.disabled = True
        try:
            yield scratch
        finally:
            logger.disabled = False
