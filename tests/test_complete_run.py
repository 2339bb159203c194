"""Claims about a run of which everything is stored: it is read back, or done again if it is not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.complete_run import read_complete
from orchestrator.execution import session
from orchestrator.home.store import Store
from orchestrator.planning.planner import make_plan
from orchestrator.recipe.loading import load_recipe
from orchestrator.report import latency
from orchestrator.results.finished_run import FinishedRun
from students.storage.outcome import weights_file
from tests.running import EACH_STEP, IN_PROCESS, ROOT, Finished, metrics, undisturbed

SLOW = ("torch", "mlflow", "matplotlib", "ray", "deepspeed", "scipy", "sklearn")


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A home with all stages and no record, as a copied one is, in which the run was made again."""
    first = undisturbed(tmp_path_factory)

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a runtime was started for nothing")

    home = first.copied(tmp_path_factory.mktemp("again"))
    copy = Finished(first.folder, home, first.object)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "build_runtime", refuse)
        # What was measured while others worked is else measured again.
        patch.setattr(latency, "UNDISTURBED", 0.0)
        return Finished(first.folder, home, copy.again())


def read(run: Finished, *overrides: str, **environment: str) -> FinishedRun | None:
    recipe = run.folder / "recipe.yaml"
    loaded = load_recipe(recipe, (*IN_PROCESS, EACH_STEP, *overrides))
    store = Store(run.home)
    plan = make_plan(loaded.recipe, folder=loaded.folder, cache=store.cache)
    return read_complete(loaded, plan, store, environment)


def test_a_run_without_its_record_runs_no_stage_and_reports_the_same(
    again: Finished, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert again.ran() == []
    first = undisturbed(tmp_path_factory)
    for key in ("recipe_digest", "student", "untaught", "teachers", "ensemble", "curves"):
        assert again.object[key] == first.object[key], key
    assert all(
        len(values) == 1 for values in metrics(again.home, again.digests()["student"]).values()
    )


def test_a_complete_run_prints_the_same_without_slow_imports(again: Finished) -> None:
    code = f"""
import sys
from orchestrator.cli import main
try:
    main()
finally:
    print([name for name in {SLOW} if name in sys.modules], file=sys.stderr)
"""
    command = [sys.executable, "-c", code, "--home", str(again.home), "run", "--json"]
    command += [str(again.folder / "recipe.yaml"), *IN_PROCESS, EACH_STEP]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    *lines, imported = run.stderr.splitlines()
    assert imported == "[]"
    assert lines == [f"{stage['name']}: stored already" for stage in again.object["stages"]]
    printed = json.loads(run.stdout)
    assert printed.keys() == again.object.keys()
    assert {key for key in printed if printed[key] != again.object[key]} <= {"seconds"}


def test_a_complete_run_becomes_the_latest(again: Finished) -> None:
    report = Path(again.object["artifacts"]["report.json"])
    before = report.stat().st_mtime_ns
    assert read(again) is not None
    assert report.stat().st_mtime_ns > before


def outcome(run: Finished) -> Path:
    return weights_file(run.home / "stages" / run.digests()["student"])


def artifact(name: str) -> Callable[[Finished], Path]:
    return lambda run: Path(run.object["artifacts"][name])


@pytest.mark.parametrize(
    "place",
    [outcome, artifact("report.json"), artifact("report.md"), artifact("learning_curves.png"),
     artifact("recipe.yaml"), lambda run: artifact("report.json")(run).with_name("complete.json"),
     lambda run: run.home / "mlflow.db"],
    ids=["outcome", "report", "page", "picture", "recipe", "record", "tracker"],
)  # fmt: skip
def test_what_is_missing_or_damaged_is_made_again(
    again: Finished, place: Callable[[Finished], Path]
) -> None:
    path = place(again)
    whole = path.read_bytes()
    assert read(again) is not None
    try:
        path.write_bytes(whole[: len(whole) // 2])
        assert read(again) is None
        path.unlink()
        assert read(again) is None
    finally:
        path.write_bytes(whole)


def test_a_measurement_made_since_goes_into_a_new_report(again: Finished) -> None:
    measured = artifact("report.json")(again).with_name("measured.json")
    measured.write_text("{}")
    try:
        assert read(again) is None
    finally:
        measured.unlink()
    assert read(again) is not None


@pytest.mark.parametrize(
    ("overrides", "environment"),
    [
        (("ensemble.bank.budget_gb=3",), {}),
        (("student.train.seed=5",), {}),
        (("tracking.experiment=other",), {}),
        ((), {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}),
    ],
    ids=["in no digest", "in a digest", "experiment", "tracker"],
)
def test_what_has_changed_is_run_again(
    again: Finished, overrides: tuple[str, ...], environment: dict[str, str]
) -> None:
    assert read(again, *overrides, **environment) is None
