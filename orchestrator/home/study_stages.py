"""Which stages the studies of a home keep.

HOME/studies/STUDY/stages.json   digests: while the study runs those of all its trials, at its end
                                 those of its front
HOME/studies/STUDY/.lock         held by the process that runs it
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.home.process_lock import is_locked
from students.json_records import read_or_report, write_json

STAGES = "stages.json"
LOCK = ".lock"


@dataclass(frozen=True)
class StudyStages:
    """The stages that one study keeps, by digest."""

    folder: Path
    digests: frozenset[str]

    @property
    def title(self) -> str:
        """How the study is called."""
        return f"study {self.folder.name}"

    @property
    def running(self) -> bool:
        """Whether some process runs it now."""
        return is_locked(self.folder / LOCK)


def keep_stages(folder: Path, digests: Iterable[str]) -> None:
    """Records what the study of a ``folder`` keeps, in place of what it has kept."""
    write_json(folder / STAGES, {"stages": sorted(set(digests))})


def stages_of_studies(home: Path) -> Iterator[StudyStages]:
    """What each study of ``home`` keeps."""
    for file in sorted(home.glob(f"studies/*/{STAGES}")):
        kept = read_or_report(
            file, lambda each: frozenset(each["stages"]), "its stages are not kept"
        )
        yield StudyStages(file.parent, kept or frozenset())
