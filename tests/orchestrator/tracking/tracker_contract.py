"""What every tracker promises; the fake of other tests as well."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.tracking.tracker import Cursor, Metric, OpenRun, RunSpec

RECIPE = RunSpec("digits", ("stillhouse.recipe", "contract"), {"a": "1"}, {"lineage": "x"})
STAGE = RunSpec("student", ("stillhouse.stage", "9:student"))


def check_contract(tracker, folder):
    """Every request is made twice; the second changes nothing."""
    (folder / "report.md").write_text("words")
    parent = tracker.open(RECIPE, None)
    assert parent == OpenRun(parent.run_id, Cursor(), "RUNNING")
    assert tracker.open(RECIPE, None) == parent
    assert tracker.open(replace(RECIPE, params={"a": "2"}), None) == parent

    stage = tracker.open(STAGE, parent.run_id)
    assert tracker.open(STAGE, parent.run_id) == stage
    other = tracker.open(replace(RECIPE, identity=("stillhouse.recipe", "another")), None)
    elsewhere = tracker.open(STAGE, other.run_id)
    assert len({parent.run_id, stage.run_id, other.run_id, elsewhere.run_id}) == 4

    for _ in range(2):
        tracker.log(stage.run_id, [Metric("loss", 0.5, 49, 1000)], Cursor(50, 1))
        tracker.log_artifact(parent.run_id, folder / "report.md")
        tracker.set_status(stage.run_id, "FAILED")
    assert tracker.open(STAGE, parent.run_id) == OpenRun(stage.run_id, Cursor(50, 1), "FAILED")
    assert tracker.open(STAGE, other.run_id).cursor == Cursor()
    tracker.set_status(stage.run_id, "RUNNING")
    assert tracker.open(STAGE, parent.run_id).status == "RUNNING"
