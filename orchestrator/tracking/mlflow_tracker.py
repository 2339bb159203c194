"""Keeps runs in MLflow: the one place that imports it.

MLflow is imported when a tracker is built, which takes seconds; the writer's thread builds it while
training is under way. Nothing here queues or retries: the writer does, from the spool.
"""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from orchestrator.tracking.tracker import Cursor, Metric, OpenRun, RunSpec, Status, key

if TYPE_CHECKING:
    from torch import Tensor, nn

_CURSOR = "stillhouse.sent"
_STUDENT = "stillhouse.student"
_PLACES = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_ID")
_VALUE_LENGTH = 6000
_TAG_LENGTH = 5000
_BATCH = 100


@dataclass(frozen=True)
class Place:
    """Where MLflow keeps runs. ``artifacts`` and ``lock`` are set where that is our own home."""

    uri: str
    experiment: str
    artifacts: Path | None = None
    database: Path | None = None


def place(
    home: Path,
    name: str,
    *,
    uri: str | None,
    experiment: str | None,
    environment: Mapping[str, str],
) -> Place:
    """Where the runs of recipe ``name`` are kept.

    The recipe's own ``uri`` and ``experiment`` come first, then MLFLOW_TRACKING_URI and
    MLFLOW_EXPERIMENT_NAME of ``environment``, then sqlite in ``home`` and the recipe's name.
    """
    where = uri or environment.get("MLFLOW_TRACKING_URI")
    title = experiment or environment.get("MLFLOW_EXPERIMENT_NAME") or name
    if where:
        return Place(where, title)
    database = home.resolve() / "mlflow.db"
    return Place(f"sqlite:///{database}", title, home.resolve() / "mlartifacts", database)


class MlflowTracker:
    """A ``Tracker`` on an MLflow server or database.

    Raises:
        Exception: whatever MLflow, its database or the network raise.
    """

    def __init__(self, where: Place) -> None:
        self._where = where
        _quieten()
        if where.database is not None:
            _private(where.database)
        with self._alone():
            import mlflow
            from mlflow.tracking import MlflowClient

            _silence()
            self._mlflow: Any = mlflow
            self._client: Any = MlflowClient(tracking_uri=where.uri)
            self._experiment = self._find_experiment()

    def open(self, spec: RunSpec, parent: str | None) -> OpenRun:
        """Finds or makes a run; see ``Tracker.open``."""
        with self._alone():
            run = self._find_run(spec, parent)
            if run is None:
                run = self._make_run(spec, parent)
        known = run.data.params
        absent = {name: text for name, text in spec.params.items() if key(name) not in known}
        self._add(run.info.run_id, absent, spec.tags)
        sent = run.data.tags.get(_CURSOR)
        cursor = Cursor.from_json(sent) if sent else Cursor()
        return OpenRun(run.info.run_id, cursor, run.info.status)

    def log(self, run_id: str, metrics: Sequence[Metric], cursor: Cursor) -> None:
        """Adds metrics, then the cursor; see ``Tracker.log``."""
        from mlflow.entities import Metric as MlflowMetric
        from mlflow.entities import RunTag

        rows = [MlflowMetric(each.key, each.value, each.time_ms, each.step) for each in metrics]
        self._client.log_batch(run_id, metrics=rows, tags=[RunTag(_CURSOR, cursor.to_json())])

    def log_artifact(self, run_id: str, path: Path, folder: str = "") -> None:
        """Stores a file; see ``Tracker.log_artifact``."""
        self._client.log_artifact(run_id, str(path), folder or None)

    def log_student(
        self, run_id: str, network: nn.Module, example: Tensor, weights_sha256: str
    ) -> None:
        """Stores a network as a pt2 program; see ``Tracker.log_student``.

        A model that an ended run left half stored is deleted first.
        """
        for model in self._models(run_id, weights_sha256):
            if str(model.status).endswith("READY"):
                return
            self._client.delete_logged_model(model.model_id)
        import mlflow.pytorch

        with self._spoken_for(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mlflow.pytorch.log_model(
                network.eval(),
                name="student",
                input_example=example.numpy(),
                pip_requirements=_requirements(),
                tags={_STUDENT: weights_sha256},
                step=-1,  # MLflow copies the run's metrics of this step to the model: none.
                run_id=run_id,
            )

    def set_status(self, run_id: str, status: Status) -> None:
        """Says how a run stands; see ``Tracker.set_status``."""
        if status == "RUNNING":
            self._client.update_run(run_id, status=status)
        else:
            self._client.set_terminated(run_id, status=status)

    def _alone(self) -> contextlib.AbstractContextManager[Any]:
        """Processes that share a home find or make one after the other."""
        if self._where.database is None:
            return contextlib.nullcontext()
        return FileLock(f"{self._where.database}.lock", timeout=60)

    @contextlib.contextmanager
    def _spoken_for(self) -> Iterator[None]:
        """Lets MLflow's global functions speak of this place, and leaves no trace of it.

        They write the place into the environment, where the next run would find it.
        """
        before = {name: os.environ.get(name) for name in _PLACES}
        try:
            self._mlflow.set_tracking_uri(self._where.uri)
            self._mlflow.set_experiment(experiment_id=self._experiment)
            yield
        finally:
            self._mlflow.set_tracking_uri(None)
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value

    def _find_experiment(self) -> str:
        name = self._where.experiment
        found = self._client.get_experiment_by_name(name)
        if found is None:
            artifacts = self._where.artifacts
            location = artifacts.as_uri() if artifacts is not None else None
            return str(self._client.create_experiment(name, artifact_location=location))
        if found.lifecycle_stage == "deleted":
            self._client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)

    def _find_run(self, spec: RunSpec, parent: str | None) -> Any:
        name, value = spec.identity
        asked = f"tags.`{name}` = '{_quoted(value)}'"
        if parent is not None:
            asked += f" and tags.`mlflow.parentRunId` = '{parent}'"
        found = self._client.search_runs(
            [self._experiment], asked, max_results=1, order_by=["attributes.start_time ASC"]
        )
        return found[0] if found else None

    def _make_run(self, spec: RunSpec, parent: str | None) -> Any:
        tags = dict([spec.identity]) | ({"mlflow.parentRunId": parent} if parent else {})
        return self._client.create_run(self._experiment, tags=tags, run_name=spec.name)

    def _add(self, run_id: str, params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        from mlflow.entities import Param, RunTag

        cut = [Param(key(name), text[:_VALUE_LENGTH]) for name, text in params.items()]
        marks = [RunTag(key(name), text[:_TAG_LENGTH]) for name, text in tags.items()]
        for start in range(0, max(len(cut), len(marks)), _BATCH):
            part = slice(start, start + _BATCH)
            self._client.log_batch(run_id, params=cut[part], tags=marks[part])

    def _models(self, run_id: str, weights_sha256: str) -> Iterator[Any]:
        found = self._client.search_logged_models(
            [self._experiment], filter_string=f"source_run_id = '{run_id}'"
        )
        return (model for model in found if model.tags.get(_STUDENT) == weights_sha256)


def _quoted(value: str) -> str:
    return value.replace("'", "_")


def _private(database: Path) -> None:
    """Makes the database readable by its owner alone, before anything is in it."""
    database.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(database, os.O_CREAT | os.O_RDWR, 0o600))
    database.chmod(0o600)


def _quieten() -> None:
    """Settings that MLflow reads from the environment: nothing is sent home or unpickled."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    # The writer tries again by itself; a dead server must not hold its thread for minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")


def _silence() -> None:
    # What fails is raised too, and the writer tells it in one sentence; MLflow prints tracebacks.
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _requirements() -> list[str]:
    from importlib.metadata import version

    # Without the build's own mark, such as +cpu: no index has that.
    return [f"{name}=={version(name).partition('+')[0]}" for name in ("torch", "numpy")]
