"""Records that a run is complete, and reads a complete one back without running anything.

``runs/NAME@DIGEST/complete.json`` records that a run's report is written and that the tracker has
everything. With that, a run whose stages are all stored is read back without torch, MLflow and the
drawing of pictures, which take seconds to import.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.home.store import Store
from orchestrator.planning.graph import Graph
from orchestrator.recipe.loading import LoadedRecipe, printable
from orchestrator.recipe.yaml_values import dump_yaml
from orchestrator.results.finished_run import REPORT, FinishedRun, read_finished_run
from orchestrator.results.run_report import FORMAT
from orchestrator.results.teaching_report import MEASURED
from orchestrator.tracking.mlflow_tracker import TrackerLocation, tracker_location
from orchestrator.tracking.tracker import code_version
from students.durable_files import file_sha256
from students.json_records import read_json, write_json

RECORD = "complete.json"


def record_complete(run: FinishedRun, location: TrackerLocation, run_ids: Sequence[str]) -> None:
    """Records that ``run`` is complete; ``run_ids`` are its runs at the tracker."""
    write_json(run.folder / RECORD, _record(run, location) | {"run_ids": list(run_ids)})


def read_complete(
    loaded: LoadedRecipe, graph: Graph, store: Store, environment: Mapping[str, str]
) -> FinishedRun | None:
    """The run of ``graph``, grown by its decisions, if all of it is stored, as a run that found
    nothing to do.

    None where a stage's outcome or a file of the report is missing or damaged, where the recipe
    (also what is in no digest), the data, the version or the tracker has changed since, or where
    the tracker has not got everything.
    """
    began = time.monotonic()
    folder = store.runs / graph.run_name
    location = tracker_location(store.home, graph, environment)
    try:
        record = read_json(folder / RECORD)
        run = read_finished_run(folder)
        complete = (
            record.items() >= _record(run, location).items()
            and run.report.format == FORMAT
            and len(run.reports) == graph.repeats
            and (folder / "recipe.yaml").read_bytes() == dump_yaml(printable(loaded)).encode()
            and not graph.undecided
            and all(store.finished(stage) for stage in graph.stages)
            and location.has_finished(record["run_ids"])
        )
        if not complete:
            return None
        os.utime(folder / REPORT)  # Of all runs, this one is now the latest.
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    seconds = time.monotonic() - began
    reports = []
    for each in run.reports:
        stages = tuple(replace(stage, ran=False, seconds=0.0) for stage in each.stages)
        reports.append(replace(each, seconds=seconds, stages=stages))
    return replace(run, reports=tuple(reports))


def _record(run: FinishedRun, location: TrackerLocation) -> dict[str, Any]:
    """What must be the same when the run is read back."""
    files = {name: Path(path) for name, path in run.report.artifacts.items()}
    if (run.folder / MEASURED).exists():  # A measurement, which the report compares with the run.
        files[MEASURED] = run.folder / MEASURED
    return {
        "version": code_version(),
        "files": {
            name: file_sha256(path) for name, path in files.items() if path == run.folder / name
        },
        # Hashed, for a password may be in it.
        "tracker": hashlib.sha256(f"{location.uri}\n{location.experiment}".encode()).hexdigest(),
    }
