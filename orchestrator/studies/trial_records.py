"""Records the stages of each trial, from which follows what trials have shared.

HOME/studies/STUDY/trials/N.json              of trial N, written when it ends
HOME/studies/STUDY/trials/begun/ROLE/DIGEST   a trial's stage has begun: it was not stored
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orchestrator.execution.stage_works import StageResult
from orchestrator.planning.stage import Stage, StageRole
from orchestrator.results.study_report import Shared
from students.json_records import read_or_report, write_json


@dataclass(frozen=True)
class TrialStage:
    """A stage of a trial that is done: how many answers of teachers, counted by sample, were
    ``computed`` for it; the others were ``read``. Steps that a killed attempt made after its last
    checkpoint count as they were made again. Records of earlier versions have no ``title``."""

    digest: str
    read: int
    computed: int
    title: str = ""


@dataclass(frozen=True)
class TrialRecords:
    """The records in a study's ``folder``."""

    folder: Path

    def add(self, number: int, results: Sequence[StageResult]) -> None:
        """Records a trial, once: if it is evaluated again after a kill, its stages are stored."""
        file = self._file(number)
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            write_json(file, {"stages": [asdict(_of_stage(each)) for each in results]})

    def clear(self) -> None:
        """Deletes all records."""
        shutil.rmtree(self._trials, ignore_errors=True)

    def begin(self, number: int, stage: Stage) -> None:
        """Records that a stage is trained for a trial, now or when that goes on after a kill."""
        folder = self._begun(stage.role)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / stage.digest).touch()

    def stages(self, number: int) -> Mapping[str, str]:
        """The digests of a trial's stages that are done, also of those that a choice has added, by
        title."""
        return {stage.title or stage.digest: stage.digest for stage in self._read(number)}

    def trained(self, role: StageRole) -> set[str]:
        """The digests of the stages that were trained for trials, be it in part."""
        return {file.name for file in self._begun(role).glob("*")}

    def _read(self, number: int) -> tuple[TrialStage, ...]:
        """Empty where it was refused before it was trained."""
        consequence = "what its trial shared is not counted"
        return read_or_report(self._file(number), _parse, consequence) or ()

    def shared(self, numbers: Iterable[int]) -> Shared:
        """What trials have had in common; of those under way at the same time, one has trained
        what both wanted."""
        known, reused, read, computed = set[str](), 0, 0, 0
        trained = set[str]().union(*map(self.trained, StageRole))
        for number in numbers:
            for stage in {each.digest: each for each in self._read(number)}.values():
                if stage.digest in known or stage.digest not in trained:
                    reused += 1
                    continue
                known.add(stage.digest)
                read, computed = read + stage.read, computed + stage.computed
        return Shared(computed, read, reused)

    def _begun(self, role: StageRole) -> Path:
        return self._trials / "begun" / role.name.lower()

    def _file(self, number: int) -> Path:
        return self._trials / f"{number}.json"

    @property
    def _trials(self) -> Path:
        return self.folder / "trials"


def _of_stage(result: StageResult) -> TrialStage:
    counts = [each for outcome in result.outcomes.values() for each in outcome.answers.values()]
    computed = sum(count.computed for count in counts)
    read = sum(count.read + count.asked for count in counts) - computed
    return TrialStage(result.stage.digest, read, computed, result.stage.title)


def _parse(stored: dict[str, Any]) -> tuple[TrialStage, ...]:
    return tuple(TrialStage(**each) for each in stored["stages"])
