"""Records the stages of each trial, from which follows what trials have shared.

HOME/studies/STUDY/trials/N.json   of trial N, written when it ends
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orchestrator.execution.stage_works import StageResult
from orchestrator.results.study_report import Shared
from students.json_records import read_or_report, write_json


@dataclass(frozen=True)
class TrialStage:
    """A stage of a trial that is done: whether it was trained for that trial, and how many answers
    of teachers, counted by sample, were ``computed`` for it; the others were ``read``."""

    title: str
    digest: str
    ran: bool
    read: int
    computed: int


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

    def _read(self, number: int) -> tuple[TrialStage, ...]:
        """Empty where it was refused before it was trained."""
        consequence = "what its trial shared is not counted"
        return read_or_report(self._file(number), _parse, consequence) or ()

    def shared(self, numbers: Iterable[int]) -> Shared:
        """What trials have had in common; of those under way at the same time, one has trained
        what both wanted."""
        trained, reused, read, computed = set[str](), 0, 0, 0
        for number in numbers:
            for stage in self._read(number):
                if not stage.ran or stage.digest in trained:
                    reused += 1
                    continue
                trained.add(stage.digest)
                read, computed = read + stage.read, computed + stage.computed
        return Shared(computed, read, reused)

    def _file(self, number: int) -> Path:
        return self.folder / "trials" / f"{number}.json"


def _of_stage(result: StageResult) -> TrialStage:
    counts = [each for outcome in result.outcomes.values() for each in outcome.answers.values()]
    computed = sum(count.computed for count in counts)
    read = sum(count.read + count.asked for count in counts) - computed
    return TrialStage(result.stage.title, result.stage.digest, result.ran, read, computed)


def _parse(stored: dict[str, Any]) -> tuple[TrialStage, ...]:
    return tuple(TrialStage(**each) for each in stored["stages"])
