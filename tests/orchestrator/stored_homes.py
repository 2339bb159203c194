"""Small homes made by hand: runs with their reports, stages with outcomes and checkpoints."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

from orchestrator.home.store import StoredStage
from orchestrator.results.run_report import RunReport, StageReport
from orchestrator.results.study_report import write_study
from tests.orchestrator.report_samples import report
from tests.orchestrator.study_samples import study

DIGEST = "0123456789abcdef" * 2


def digest(number: int) -> str:
    """A stage's digest, another for each number."""
    return hashlib.sha256(str(number).encode()).hexdigest()[:32]


def add_run(
    home: Path,
    name: str = "digits",
    recipe_digest: str = DIGEST,
    *,
    age: int = 0,
    stages: tuple[str, ...] = (),
    **more: object,
) -> RunReport:
    """Stores a run's report, written ``age`` minutes before some morning."""
    named = tuple(StageReport(f"stage{n}", digest, True, 1.0) for n, digest in enumerate(stages))
    made = replace(report(), name=name, recipe_digest=recipe_digest, stages=named, **more)
    folder = home / "runs" / made.title
    folder.mkdir(parents=True)
    file = folder / "report.json"
    file.write_text(json.dumps(made.to_json()))
    os.utime(file, (1_790_000_000 - 60 * age,) * 2)
    return made


def add_study(home: Path, name: str, *, age: int = 0, **more: object) -> Path:
    """Stores a study's report, written ``age`` minutes before some morning; gives its folder."""
    folder = home / "studies" / name
    folder.mkdir(parents=True)
    write_study(folder, study(study=name, **more))
    os.utime(folder / "study.json", (1_790_000_000 - 60 * age,) * 2)
    return folder


def add_stage(
    home: Path, digest: str, *, finished: bool = True, checkpoints: bool = True
) -> StoredStage:
    """Stores a stage whose outcome is whole; each of its two parts has 1000 bytes and some."""
    stage = StoredStage(home / "stages" / digest)
    stage.folder.mkdir(parents=True)
    (stage.folder / "attempt.json").write_text('{"attempt": 1}')
    stage.lock.touch()
    if checkpoints:
        (stage.checkpoints / "step-000010").mkdir(parents=True)
        (stage.checkpoints / "step-000010" / "model.safetensors").write_bytes(b"c" * 1000)
        (stage.checkpoints / "LATEST").write_text("step-000010")
    if finished:
        weights = b"w" * 1000
        outcome = {"weights_sha256": "0" * 64, "parameters": 1, "macs": 1, "bytes": 4}
        files = {"model.safetensors": hashlib.sha256(weights).hexdigest()}
        outcome |= {"curve": [], "segments": [], "files": files}
        (stage.folder / "outcome").mkdir()
        (stage.folder / "outcome" / "model.safetensors").write_bytes(weights)
        (stage.folder / "outcome" / "outcome.json").write_text(json.dumps(outcome))
    return stage
