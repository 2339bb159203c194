"""The tracker that stores runs in MLflow: the one file that imports it.

MLflow is imported when a tracker is built, which takes seconds; the writer's thread builds it while
training is under way. Nothing here queues or retries: the writer does, from the step log.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from orchestrator.planning.graph import Graph
from orchestrator.tracking.home_database import (
    address_of,
    artifacts_of,
    has_finished,
    prepare_database,
)
from orchestrator.tracking.tracker import Cursor, Metric, OpenRun, RunSpec, Status, key

if TYPE_CHECKING:
    from torch import Tensor, nn

_CURSOR = "stillhouse.sent"
_STUDENT = "stillhouse.student"
_LOCATION_VARIABLES = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_ID")
_GLOBAL_LOCATION = threading.Lock()
_VALUE_LENGTH = 6000
_TAG_LENGTH = 5000
_BATCH = 100


@dataclass(frozen=True)
class TrackerLocation:
    """Where MLflow stores runs. ``database`` is set if in our own home."""

    uri: str
    experiment: str
    database: Path | None = None

    def has_finished(self, run_ids: Sequence[str]) -> bool:
        """Whether all runs of ``run_ids`` are there, as far as the home can tell.

        What a server has once acknowledged counts as there.
        """
        return self.database is None or has_finished(self.database, run_ids)


def tracker_location(home: Path, graph: Graph, environment: Mapping[str, str]) -> TrackerLocation:
    """Where the runs of ``graph`` are stored.

    Its own ``uri`` and ``experiment`` come first, then MLFLOW_TRACKING_URI and
    MLFLOW_EXPERIMENT_NAME of ``environment``, then sqlite in ``home`` and the recipe's name.
    """
    own = graph.tracking
    uri = own.uri or environment.get("MLFLOW_TRACKING_URI")
    experiment = own.experiment or environment.get("MLFLOW_EXPERIMENT_NAME") or graph.name
    if uri:
        return TrackerLocation(uri, experiment)
    database = home.resolve() / "mlflow.db"
    return TrackerLocation(f"sqlite:///{database}", experiment, database)


def _import_client() -> Any:
    """MLflow's client. What fails is raised alone, and the writer reports it in a sentence."""
    from mlflow.tracking import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return MlflowClient


def _make_tables(address: str) -> None:
    _import_client()(tracking_uri=address).search_experiments(max_results=1)


class MlflowTracker:
    """Stores runs on an MLflow server or database.

    All trackers of a process at one location share the connection, which MLflow keeps by its URI:
    the first one takes seconds, another one milliseconds.

    It is called by one thread, that of ``writer``, which repeats a request that fails. So each
    request may be repeated and then changes nothing.

    Raises:
        Exception: whatever MLflow, its database or the network raise.
    """

    def __init__(self, location: TrackerLocation) -> None:
        self._location = location
        # Nothing is sent home or unpickled.
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
        os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
        # The writer tries again by itself; a dead server must not hold its thread for minutes.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "4")
        database = location.database
        self._uri = location.uri if database is None else address_of(database)
        with self._exclusive():
            if database is not None:
                prepare_database(database, _make_tables)
            self._client: Any = _import_client()(tracking_uri=self._uri)
            self._experiment = self._find_experiment()

    def open(self, spec: RunSpec, parent: str | None) -> OpenRun:
        """Finds the run by its identity under ``parent``, or makes it, RUNNING.

        A run that is found keeps its status, and the parameters that it has already.
        """
        tags = dict([spec.identity]) | ({"mlflow.parentRunId": parent} if parent else {})
        query = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
        oldest = {"max_results": 1, "order_by": ["attributes.start_time ASC"]}
        with self._exclusive():
            found = self._client.search_runs([self._experiment], query, **oldest)
            if not found:
                found = [self._client.create_run(self._experiment, tags=tags, run_name=spec.name)]
        run = found[0]
        known = run.data.params
        absent = {name: text for name, text in spec.params.items() if key(name) not in known}
        self._add(run.info.run_id, absent, spec.tags)
        sent = run.data.tags.get(_CURSOR)
        cursor = Cursor(**json.loads(sent)) if sent else Cursor()
        return OpenRun(run.info.run_id, cursor, run.info.status)

    def log(self, run_id: str, metrics: Sequence[Metric], cursor: Cursor) -> None:
        """Adds metrics, and stores the cursor behind them."""
        from mlflow.entities import Metric as MlflowMetric
        from mlflow.entities import RunTag

        rows = [MlflowMetric(each.key, each.value, each.time_ms, each.step) for each in metrics]
        sent = RunTag(_CURSOR, json.dumps(asdict(cursor)))
        self._client.log_batch(run_id, metrics=rows, tags=[sent])

    def log_artifact(self, run_id: str, path: Path) -> None:
        """Stores a file under its own name; a newer one replaces it."""
        self._client.log_artifact(run_id, str(path))

    def log_student(
        self, run_id: str, network: nn.Module, example: Tensor, weights_sha256: str
    ) -> None:
        """Stores a network as a pt2 program for use elsewhere, once for each ``weights_sha256``.

        ``example``: two pictures, uint8 [2, C, H, W]; the stored model takes any number. A model
        that an ended run left half stored is deleted first.
        """
        query = f"source_run_id = '{run_id}'"
        for model in self._client.search_logged_models([self._experiment], filter_string=query):
            if model.tags.get(_STUDENT) != weights_sha256:
                continue
            if str(model.status).endswith("READY"):
                return
            self._client.delete_logged_model(model.model_id)
        import mlflow.pytorch

        # Without a local version such as +cpu: no package index has that.
        needed = [f"{name}=={version(name).partition('+')[0]}" for name in ("torch", "numpy")]
        with self._as_default_tracker(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mlflow.pytorch.log_model(
                network.eval(),
                name="student",
                input_example=example.numpy(),
                pip_requirements=needed,
                tags={_STUDENT: weights_sha256},
                step=-1,  # MLflow copies the run's metrics of this step to the model: none.
                run_id=run_id,
            )

    def set_status(self, run_id: str, status: Status) -> None:
        """Sets whether the run is under way, or how it ended."""
        if status == "RUNNING":
            self._client.update_run(run_id, status=status)
        else:
            self._client.set_terminated(run_id, status=status)

    def _exclusive(self) -> contextlib.AbstractContextManager[Any]:
        """Lets processes that share a home find or make runs in turn."""
        if self._location.database is None:
            return contextlib.nullcontext()
        return FileLock(f"{self._location.database}.lock", timeout=60)

    @contextlib.contextmanager
    def _as_default_tracker(self) -> Iterator[None]:
        """Points MLflow's global functions at this location, and leaves no trace of it.

        They write the location into the environment, where the next run would find it. So only one
        run of a process does this at a time.
        """
        import mlflow

        with _GLOBAL_LOCATION:
            before = {name: os.environ.get(name) for name in _LOCATION_VARIABLES}
            try:
                mlflow.set_tracking_uri(self._uri)
                mlflow.set_experiment(experiment_id=self._experiment)
                yield
            finally:
                mlflow.set_tracking_uri(None)
                for name, value in before.items():
                    os.environ.pop(name, None)
                    if value is not None:
                        os.environ[name] = value

    def _find_experiment(self) -> str:
        name = self._location.experiment
        found = self._client.get_experiment_by_name(name)
        if found is None:
            own = self._location.database
            location = own and artifacts_of(own)
            return str(self._client.create_experiment(name, artifact_location=location))
        if found.lifecycle_stage == "deleted":
            self._client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)

    def _add(self, run_id: str, params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        from mlflow.entities import Param, RunTag

        cut = [Param(key(name), text[:_VALUE_LENGTH]) for name, text in params.items()]
        own_tags = [RunTag(key(name), text[:_TAG_LENGTH]) for name, text in tags.items()]
        for start in range(0, max(len(cut), len(own_tags)), _BATCH):
            part = slice(start, start + _BATCH)
            self._client.log_batch(run_id, params=cut[part], tags=own_tags[part])
