"""MLflow's database in a home that has moved, has an odd name, or has something else there."""

from __future__ import annotations

import shutil
import sqlite3
import time
from pathlib import Path

import mlflow
import pytest
import torch
from mlflow.tracking._tracking_service import utils

from orchestrator.tracking import mlflow_tracker
from orchestrator.tracking import writer as writer_module
from orchestrator.tracking.mlflow_tracker import MlflowTracker, TrackerLocation
from orchestrator.tracking.tracker import RunSpec
from orchestrator.tracking.writer import TrackingWriter
from students.errors import UserError
from tests.orchestrator.tracking.test_mlflow_tracker import Deployed

RUN = RunSpec("digits", ("stillhouse.recipe", "abc"))
EXAMPLE = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)


def at(home: Path) -> TrackerLocation:
    database = home / "mlflow.db"
    return TrackerLocation(f"sqlite:///{database}", "digits", database)


@pytest.mark.parametrize("move", [shutil.move, shutil.copytree])
def test_the_files_of_a_home_that_was_moved_or_copied_are_found_and_made_in_its_new_place(
    tmp_path, move
):
    old, new = tmp_path / "old", tmp_path / "new home"
    tracker = MlflowTracker(at(old))
    run_id = tracker.open(RUN, None).run_id
    tracker.log_student(run_id, Deployed().eval(), EXAMPLE, "f00d")
    (tmp_path / "report.md").write_text("words")
    tracker.log_artifact(run_id, tmp_path / "report.md")
    move(old, new)
    before = {path for path in tmp_path.rglob("*") if new not in path.parents}
    again = MlflowTracker(at(new))
    utils._artifact_repos_cache.clear()  # As in another process.
    assert again.open(RUN, None).run_id == run_id
    (tmp_path / "report.md").write_text("other words")
    again.log_artifact(run_id, tmp_path / "report.md")
    [file] = new.rglob("report.md")
    assert file.read_text() == "other words"
    assert {path for path in tmp_path.rglob("*") if new not in path.parents} == before
    (model,) = again._client.search_logged_models([again._experiment])
    assert model.artifact_location.startswith(new.as_uri())
    assert len(mlflow.pyfunc.load_model(model.artifact_location).predict(EXAMPLE.numpy())) == 2


@pytest.mark.parametrize("name", ["100 % of a%20b", "what?mode=ro#1"])
def test_a_home_may_have_any_name(tmp_path, name):
    home = tmp_path / name
    tracker = MlflowTracker(at(home))
    run_id = tracker.open(RUN, None).run_id
    (tmp_path / "report.md").write_text("words")
    tracker.log_artifact(run_id, tmp_path / "report.md")
    assert {path.name for path in tmp_path.iterdir()} == {name, "report.md"}
    assert (home / "mlflow.db").stat().st_mode & 0o777 == 0o600
    assert len(list(home.rglob("report.md"))) == 1
    assert not at(home).has_finished([run_id])
    tracker.set_status(run_id, "FINISHED")
    assert at(home).has_finished([run_id])


def not_a_database(place: Path) -> None:
    place.write_text("MLflow stores its runs elsewhere. " * 100)


def a_folder(place: Path) -> None:
    place.mkdir()


@pytest.mark.parametrize("make", [not_a_database, a_folder])
def test_what_is_no_database_is_named_at_once_and_left_as_it_is(tmp_path, make):
    make(tmp_path / "mlflow.db")
    with pytest.raises(UserError, match=r"mlflow\.db' cannot be used .* move it away"):
        MlflowTracker(at(tmp_path))
    make_again = tmp_path / "again"
    make_again.mkdir()
    make(make_again / "mlflow.db")
    kept, fresh = tmp_path / "mlflow.db", make_again / "mlflow.db"
    assert kept.is_dir() == fresh.is_dir()
    assert kept.stat().st_mode == fresh.stat().st_mode or kept.is_file()


def test_a_database_whose_making_was_cut_short_is_made_again(tmp_path, monkeypatch):
    def dies(address: str) -> None:
        database = Path(address.removeprefix("sqlite:///"))
        with sqlite3.connect(database) as half:
            half.execute("CREATE TABLE _alembic_tmp_trace_tags (key TEXT)")
        raise KeyboardInterrupt

    with monkeypatch.context() as during, pytest.raises(KeyboardInterrupt):
        during.setattr(mlflow_tracker, "_make_tables", dies)
        MlflowTracker(at(tmp_path))
    assert MlflowTracker(at(tmp_path)).open(RUN, None).run_id
    assert {path.name for path in tmp_path.iterdir()} <= {"mlflow.db", "mlflow.db.lock"}


def test_a_database_whose_tables_were_half_changed_is_named(tmp_path):
    with sqlite3.connect(tmp_path / "mlflow.db") as half:
        half.execute("CREATE TABLE _alembic_tmp_trace_tags (key TEXT)")
    with pytest.raises(UserError, match=r"tables was cut short.*move it away"):
        MlflowTracker(at(tmp_path))


def test_the_end_of_a_run_does_not_wait_for_what_is_no_database(tmp_path, monkeypatch):
    monkeypatch.setattr(writer_module, "SECONDS_WHILE_FAILING", 0.5)
    not_a_database(tmp_path / "mlflow.db")
    said: list[str] = []
    writer = TrackingWriter(lambda: MlflowTracker(at(tmp_path)), RUN, 4, say=said.append)
    writer.start()
    deadline = time.monotonic() + 60
    while not said and time.monotonic() < deadline:
        time.sleep(0.01)
    [sentence] = said
    assert "mlflow.db" in sentence
    assert "tried again" in sentence
    assert writer.drain(600), "an hour's wait would fail the test"
