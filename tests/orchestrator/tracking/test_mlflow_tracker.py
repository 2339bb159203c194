"""The tracker's promises hold on a real MLflow with sqlite."""

from __future__ import annotations

import os
import re
import shutil
import stat
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from orchestrator.tracking.desired import StageProgress
from orchestrator.tracking.mlflow_tracker import MlflowTracker, TrackerLocation, tracker_location
from orchestrator.tracking.tracker import Cursor, Metric, RunSpec
from orchestrator.tracking.writer import TrackingWriter
from students.storage.step_log import StepLogWriter, extend_segments
from tests.orchestrator.tracking.tracker_contract import check_contract

RUN = RunSpec(
    "digits",
    ("stillhouse.recipe", "abc"),
    {"student.model.hidden": "[16]", "long": "x" * 9000, "empty": ""},
    {"stillhouse.digest.data": "d" * 64},
)
STAGE = RunSpec("student", ("stillhouse.stage", "0123:student"))


def graph(uri=None, experiment=None):
    return SimpleNamespace(name="digits", tracking=SimpleNamespace(uri=uri, experiment=experiment))


def at(home):
    return tracker_location(home, graph(), {})


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    home = tmp_path_factory.mktemp("migrated")
    MlflowTracker(TrackerLocation(f"sqlite:///{home}/mlflow.db", "other", home / "mlflow.db"))
    return home / "mlflow.db"


@pytest.fixture
def home(migrated, tmp_path):
    shutil.copy(migrated, tmp_path / "mlflow.db")
    return tmp_path


@pytest.fixture
def tracker(home):
    return MlflowTracker(at(home))


def history(tracker, run_id, name):
    return [
        (point.step, point.value, point.timestamp)
        for point in tracker._client.get_metric_history(run_id, name)
    ]


def test_mlflow_keeps_the_contract(tracker, tmp_path):
    check_contract(tracker, tmp_path)


def test_the_trackers_of_one_location_share_a_connection(tracker, home):
    stores = [each._client._tracking_client.store for each in (tracker, MlflowTracker(at(home)))]
    assert stores[0] is stores[1]


def test_a_run_is_found_by_its_tag_before_it_is_made(tracker, home):
    first = tracker.open(RUN, None)
    nested = tracker.open(STAGE, first.run_id)
    elsewhere = MlflowTracker(at(home))
    assert elsewhere.open(RUN, None).run_id == first.run_id
    assert elsewhere.open(STAGE, first.run_id).run_id == nested.run_id
    other = elsewhere.open(RunSpec("digits", ("stillhouse.recipe", "def")), None)
    assert other.run_id != first.run_id
    assert elsewhere.open(STAGE, other.run_id).run_id != nested.run_id
    kept = tracker._client.get_run(nested.run_id)
    assert kept.data.tags["mlflow.parentRunId"] == first.run_id
    assert kept.info.run_name == "student"


def test_parameters_are_cut_to_the_limits_and_never_changed(tracker):
    run_id = tracker.open(RUN, None).run_id
    changed = RunSpec("digits", RUN.identity, {"student.model.hidden": "[32]", "new": "1"})
    assert tracker.open(changed, None).run_id == run_id
    params = tracker._client.get_run(run_id).data.params
    assert params == {
        "student.model.hidden": "[16]",
        "long": "x" * 6000,
        "empty": "",
        "new": "1",
    }


def test_more_parameters_than_one_batch_holds_are_all_kept(tracker):
    spec = RunSpec("many", ("stillhouse.recipe", "many"), {f"p{n}": str(n) for n in range(250)})
    run_id = tracker.open(spec, None).run_id
    assert len(tracker._client.get_run(run_id).data.params) == 250


def test_metrics_that_are_sent_twice_are_there_once(tracker):
    run_id = tracker.open(RUN, None).run_id
    metrics = [Metric("terms/soft_targets", 0.5, 49, 1000), Metric("loss", 0.25, 49, 1000)]
    for _ in range(2):
        tracker.log(run_id, metrics, Cursor(50, 1))
    assert history(tracker, run_id, "loss") == [(49, 0.25, 1000)]
    assert tracker.open(RUN, None).cursor == Cursor(50, 1)


def test_a_run_keeps_its_status(tracker):
    run_id = tracker.open(RUN, None).run_id
    assert tracker.open(RUN, None).status == "RUNNING"
    for status in ("KILLED", "FAILED", "RUNNING", "FINISHED"):
        tracker.set_status(run_id, status)
        assert tracker.open(RUN, None).status == status


def test_the_database_is_its_owners_alone_and_files_lie_beside_it(tracker, home, migrated):
    run_id = tracker.open(RUN, None).run_id
    (home / "report.md").write_text("words")
    tracker.log_artifact(run_id, home / "report.md")
    assert stat.S_IMODE(migrated.stat().st_mode) == 0o600
    assert stat.S_IMODE((home / "mlflow.db").stat().st_mode) == 0o600
    (stored,) = (home / "mlartifacts").rglob("report.md")
    assert stored.read_text() == "words"


def test_nothing_is_sent_home_and_nothing_is_unpickled(tracker):
    from mlflow.environment_variables import (
        MLFLOW_ALLOW_PICKLE_DESERIALIZATION,
        MLFLOW_DISABLE_TELEMETRY,
    )

    assert MLFLOW_DISABLE_TELEMETRY.get() is True
    assert MLFLOW_ALLOW_PICKLE_DESERIALIZATION.get() is False


class Deployed(nn.Module):
    """A student as it is deployed: preprocessing inside."""

    def __init__(self):
        super().__init__()
        self.normalise = nn.BatchNorm2d(1)
        self.head = nn.Linear(64, 10)

    def forward(self, pictures):
        return self.head(self.normalise(pictures.float() / 255).flatten(1))


def test_the_student_is_stored_once_and_takes_any_number_of_pictures(tracker, home, monkeypatch):
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere")
    monkeypatch.delenv("MLFLOW_EXPERIMENT_ID", raising=False)

    run_id = tracker.open(RUN, None).run_id
    tracker.log(run_id, [Metric("student/accuracy", 0.5, 0, 7)], Cursor(1, 0))
    network = Deployed().eval()
    example = torch.randint(0, 256, (2, 1, 8, 8), dtype=torch.uint8)
    for _ in range(2):
        tracker.log_student(run_id, network, example, "f00d")
    assert os.environ["MLFLOW_TRACKING_URI"] == "http://elsewhere"
    assert "MLFLOW_EXPERIMENT_ID" not in os.environ
    (model,) = tracker._client.search_logged_models([tracker._experiment])
    assert history(tracker, run_id, "student/accuracy") == [(0, 0.5, 7)]
    stored = mlflow.pyfunc.load_model(model.artifact_location)
    (needs,) = (home / "mlartifacts").rglob("requirements.txt")
    assert re.search(r"^torch==[0-9.]+$", needs.read_text(), re.MULTILINE)
    for count in (1, 2, 5):
        pictures = np.random.default_rng(0).integers(0, 256, (count, 1, 8, 8), dtype=np.uint8)
        with torch.no_grad():
            expected = network(torch.from_numpy(pictures)).numpy()
        assert np.allclose(stored.predict(pictures), expected, atol=1e-6)
    tracker.log_student(run_id, network, example, "beef")
    assert len(tracker._client.search_logged_models([tracker._experiment])) == 2


def test_a_half_stored_student_is_replaced(tracker):
    run_id = tracker.open(RUN, None).run_id
    client, experiment = tracker._client, tracker._experiment
    half = client.create_logged_model(
        experiment, name="student", source_run_id=run_id, tags={"stillhouse.student": "f00d"}
    )
    example = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    tracker.log_student(run_id, Deployed().eval(), example, "f00d")
    (model,) = client.search_logged_models([experiment])
    assert model.model_id != half.model_id


def test_a_resumed_run_is_sent_once_to_a_real_mlflow(home):
    folder = home / "stage"
    segments = []
    for attempt, steps in ((1, range(0, 7)), (2, range(7, 10))):
        with StepLogWriter(folder, attempt) as step_log:
            for step in steps:
                step_log.write_step(step, {"loss": float(step)})
            segments = extend_segments(segments, attempt, step_log.commit_point())
        for _ in range(2):
            writer = TrackingWriter(lambda: MlflowTracker(at(home)), RUN, 4)
            status = "FINISHED" if attempt == 2 else "KILLED"
            writer.set_stage(StageProgress(STAGE, folder, tuple(segments), status))
            writer.finish(status)
            assert writer.drain(60) == ()
    tracker = MlflowTracker(at(home))
    parent = tracker.open(RUN, None)
    nested = tracker.open(STAGE, parent.run_id)
    points = history(tracker, nested.run_id, "loss")
    assert [point[:2] for point in points] == [(3, 1.5), (7, 5.5), (9, 8.5)]
    assert (parent.status, nested.status) == ("FINISHED", "FINISHED")
    ids = [parent.run_id, nested.run_id]
    assert at(home).has_finished(ids)
    assert not at(home).has_finished([*ids, "of another home"])
    tracker._client.delete_run(nested.run_id)
    assert not at(home).has_finished(ids)
    (home / "mlflow.db").unlink()
    assert not at(home).has_finished(ids)


def test_a_dead_server_is_reported_and_delays_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    location = TrackerLocation("http://ann:secret@127.0.0.1:9", "digits")
    writer = TrackingWriter(lambda: MlflowTracker(location), RUN, 4)
    sentences = writer.drain(1.5)
    assert len(sentences) == 1
    assert "was not sent" in sentences[0]
    assert "secret" not in sentences[0]


def test_the_location_is_the_recipes_then_the_environments_then_the_home(tmp_path):
    environment = {"MLFLOW_TRACKING_URI": "http://b", "MLFLOW_EXPERIMENT_NAME": "theirs"}
    own = tracker_location(tmp_path, graph("http://a", "mine"), environment)
    assert own == TrackerLocation("http://a", "mine")
    from_environment = tracker_location(tmp_path, graph(), environment)
    assert from_environment == TrackerLocation("http://b", "theirs")
    default = tracker_location(tmp_path, graph(), {})
    assert (default.uri, default.experiment) == (f"sqlite:///{tmp_path}/mlflow.db", "digits")
