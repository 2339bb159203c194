"""Students taught through the bank: nothing is computed twice, and the bits are always the same."""

from __future__ import annotations

import json
import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from orchestrator.execution.stage_works import StageResult
from orchestrator.home.store import Store
from orchestrator.planning.stage import Stage
from students.events import Event
from students.json_records import read_json, write_json
from students.knowledge import AnswerCounts
from students.specs import MODEL
from students.storage.outcome import Outcome
from tests import small
from tests.refusals import refused
from tests.running import IN_PROCESS, RecordingWatcher, run_stages

NO_HINT = "student.objective.near=null"
ASKED = 3 * 4 * 64
"""Answers that the student needs of each teacher: 3 epochs of 4 steps of 64."""
NEW = 3 * 249
"""Of these different ones: 249 samples, in each epoch under another view."""


@dataclass
class Home:
    """One home, on which the small recipe is run again and again."""

    folder: Path
    watcher: RecordingWatcher = field(default_factory=RecordingWatcher)

    @property
    def store(self) -> Store:
        return Store(self.folder / "home")

    def run(self, *overrides: str, data: dict[str, Any] | None = None) -> dict[str, StageResult]:
        """Runs the recipe in this process; the results by title."""
        recipe = small.loaded(self.folder, *IN_PROCESS, NO_HINT, *overrides, data=data)
        results = run_stages(recipe, self.store.home, watcher=self.watcher)
        return {result.stage.title: result for result in results}

    def student(self, *overrides: str, data: dict[str, Any] | None = None) -> Outcome:
        """The student, taught now and not found stored."""
        self.forget_students()
        result = self.run(*overrides, data=data)["student"]
        assert result.ran
        return result.outcomes[MODEL]

    def forget_students(self) -> None:
        """Takes away what was taught, but not what teachers answered."""
        for request in self.store.home.glob("stages/*/request.json"):
            if json.loads(request.read_text()).get("teachers"):
                shutil.rmtree(request.parent)

    def shelves(self) -> dict[str, Path]:
        """Each teacher's shelf by the teacher's name."""
        abouts = self.store.bank.glob("*/about.json")
        return {json.loads(each.read_text())["teacher"]: each.parent for each in abouts}

    def notices(self) -> list[str]:
        return [said for what, _, said in self.watcher.events if what == "failure"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Two teachers, and a student whose answers filled the bank; must not be changed."""
    home = Home(tmp_path_factory.mktemp("trained"))
    home.student()
    return home


@pytest.fixture
def home(trained: Home, tmp_path: Path) -> Home:
    """A copy of it."""
    shutil.copytree(trained.folder / "home", tmp_path / "home")
    return Home(tmp_path)


def counts(read: int = 0, asked: int = 0, computed: int = 0) -> dict[str, AnswerCounts]:
    return dict.fromkeys(("wide", "deep"), AnswerCounts(read, asked, computed))


FILLING, FILLED = counts(asked=ASKED, computed=NEW), counts(read=ASKED)


def test_live_filling_and_filled_give_the_same_student_bit_for_bit(home: Home) -> None:
    filled = home.student()
    assert filled.answers == FILLED
    live = home.student("ensemble.bank=none")
    assert live.answers == counts(asked=ASKED, computed=ASKED)
    shutil.rmtree(home.store.bank)
    filling = home.student()
    assert filling.answers == FILLING
    assert live.weights_sha256 == filling.weights_sha256 == filled.weights_sha256


def test_other_seeds_objectives_and_single_teachers_compute_nothing(home: Home) -> None:
    assert home.student("student.train.seed=3").answers == FILLED
    assert home.student("student.objective.soft_targets.weight=0.5").answers == FILLED
    assert home.student("student.train.batch_size=32").answers == FILLED
    results = home.run("controls=[single_teachers]", "student.train.seed=4")
    for name in ("wide", "deep"):
        single = results[f"controls.single_teachers.{name}"].outcomes[MODEL]
        assert single.answers == {name: AnswerCounts(read=ASKED)}


def test_teachers_whose_answers_are_all_stored_are_not_started(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def started(*args: object) -> None:
        raise AssertionError("a teacher was started")

    monkeypatch.setattr("teachers.serving.host.TeacherHost.__init__", started)
    assert home.student().answers == FILLED
    with pytest.raises(AssertionError, match="was started"):
        home.student("student.train.epochs=4")


def test_more_epochs_compute_only_the_views_that_are_new(home: Home) -> None:
    longer = home.student("student.train.epochs=4")
    assert longer.answers == counts(read=ASKED, asked=256, computed=249)


def test_views_in_turn_are_computed_once_each(home: Home) -> None:
    two = home.student("transfer_set.views=2")
    assert two.answers == FILLED, "its views are the first two of all"
    shutil.rmtree(home.store.bank)
    assert home.student("transfer_set.views=2").answers["wide"].computed == 2 * 249


def test_without_augmentation_there_is_one_view_to_compute(home: Home) -> None:
    first = home.student("transfer_set.augment=none")
    assert {each.computed for each in first.answers.values()} == {249}
    assert home.student("transfer_set.augment=none", "student.train.epochs=9").answers == {
        name: AnswerCounts(read=3 * ASKED) for name in ("wide", "deep")
    }


OTHERS = [
    ("transfer_set.augment={kind: shift, pixels: 1}", {"wide", "deep"}),
    ("teachers.wide.precision=bf16", {"wide"}),
    ("teachers.deep.threads=2", {"deep"}),
    ("teachers.wide.model.preprocessing={mean: [0.5], std: [0.5]}", {"wide"}),
    ("teachers.deep.train.epochs=1", {"deep"}),
    ("transfer_set.seed=1", {"wide", "deep"}),
]


@pytest.mark.parametrize(("override", "computed"), OTHERS, ids=[each[0] for each in OTHERS])
def test_answers_to_something_else_are_not_read(
    home: Home, override: str, computed: set[str]
) -> None:
    answers = home.student(override).answers
    assert {name for name, each in answers.items() if each.computed} == computed
    assert home.student().answers == FILLED, "and those that were there are not lost"


def test_top_k_is_stored_apart_and_taught_alike(home: Home) -> None:
    top_k = ("ensemble.bank.top_k=3", *(f"teachers.{name}.gate=warn" for name in ("wide", "deep")))
    filling = home.student(*top_k)
    assert filling.answers == FILLING
    filled = home.student(*top_k)
    assert filled.answers == FILLED
    assert filled.weights_sha256 == filling.weights_sha256
    assert filled.weights_sha256 != home.student().weights_sha256


HINT = small.recipe()["student"]["objective"]["near"]
WITH_HINT = "student.objective.near=" + json.dumps(HINT)


def test_taps_are_stored_if_asked_and_else_computed(home: Home) -> None:
    live = home.student(WITH_HINT)
    assert live.answers["deep"] == FILLED["deep"]
    assert live.answers["wide"] == AnswerCounts(asked=ASKED, computed=ASKED)
    taps = "ensemble.bank.taps=true"
    filling, filled = home.student(WITH_HINT, taps), home.student(WITH_HINT, taps)
    assert filling.answers["wide"] == AnswerCounts(asked=ASKED, computed=NEW)
    assert filled.answers == FILLED
    assert live.weights_sha256 == filling.weights_sha256 == filled.weights_sha256


def test_a_flipped_bit_is_found_and_only_that_block_computed_again(home: Home) -> None:
    whole = home.student()
    [sealed] = home.shelves()["deep"].glob("view-2/*.sealed")
    content = bytearray(sealed.read_bytes())
    content[-3] ^= 4
    sealed.write_bytes(content)
    home.watcher = RecordingWatcher()
    mended = home.student()
    assert mended.weights_sha256 == whole.weights_sha256
    assert mended.answers["wide"].computed == 0
    assert mended.answers["deep"].computed == 249, "one block holds all of this view"
    [notice] = home.notices()
    assert "stored answers of teacher 'deep'" in notice
    assert "needs answers that are no longer stored" in notice
    assert ("begin", "student", 2) in home.watcher.events
    assert home.student().answers == FILLED


def test_a_view_that_is_evicted_during_training_is_computed_again(home: Home) -> None:
    whole, [view] = home.student(), home.shelves()["wide"].glob("view-2")

    class Evicting(RecordingWatcher):
        def on_event(self, stage: Stage, event: Event) -> None:
            super().on_event(stage, event)
            if stage.name == "student" and view.exists():
                shutil.rmtree(view)

    home.watcher = Evicting()
    again = home.student()
    assert again.weights_sha256 == whole.weights_sha256
    # From the last checkpoint on: one view is read, the other one asked for.
    assert again.answers["wide"] == AnswerCounts(read=512, asked=256, computed=249)
    assert "stored answers of teacher 'wide'" in home.notices()[0]


def test_two_parallel_runs_compute_each_answer_once(home: Home, tmp_path: Path) -> None:
    shutil.rmtree(home.store.bank)
    home.forget_students()
    other = Home(tmp_path / "other")
    other.folder.mkdir()
    (other.folder / "home").symlink_to(home.store.home)
    found: list[Outcome] = []

    def work(one: Home, seed: int) -> None:
        found.append(one.run(f"student.train.seed={seed}")["student"].outcomes[MODEL])

    threads = [threading.Thread(target=work, args=each) for each in ((home, 1), (other, 2))]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    for name in ("wide", "deep"):
        assert sum(each.answers[name].computed for each in found) == NEW


def killed(home: Home, step: int) -> None:
    """Runs the recipe until the student is about to compute ``step``."""
    recipe = small.loaded(home.folder, *IN_PROCESS, NO_HINT)
    with pytest.raises(KeyboardInterrupt):
        run_stages(recipe, home.store.home, until=step)


def test_a_killed_student_resumes_with_a_filled_bank_to_the_same_bits(home: Home) -> None:
    whole = home.student()
    home.forget_students()
    killed(home, step=6)
    resumed = home.run()["student"].outcomes[MODEL]
    assert resumed.weights_sha256 == whole.weights_sha256
    assert resumed.answers == FILLED, "of all attempts"


def test_what_a_killed_stage_stored_is_not_computed_again(home: Home) -> None:
    whole = home.student()
    home.forget_students()
    shutil.rmtree(home.store.bank)
    killed(home, step=6)
    assert not list(home.store.bank.glob("*/view-*/*.journal")), "all is sealed"
    resumed = home.run()["student"].outcomes[MODEL]
    assert resumed.weights_sha256 == whole.weights_sha256
    # It goes on at step 4, with the second view, of which two steps had been answered.
    assert resumed.answers == counts(2 * 64, ASKED - 2 * 64, NEW - 2 * 64)


def test_how_teachers_are_run_is_recorded_with_the_stage(home: Home) -> None:
    stage = home.run()["student"].stage
    inferences = read_json(home.store.folder(stage.digest) / "resolved.json")["manners"]
    assert set(inferences) == {"wide", "deep"}
    for name, shelf in home.shelves().items():
        assert read_json(shelf / "manner.json") == inferences[name]


def test_a_stage_whose_teachers_are_run_in_another_way_by_now_does_not_use_the_bank(
    home: Home,
) -> None:
    whole, stage = home.student(), home.run()["student"].stage
    file = home.store.folder(stage.digest) / "resolved.json"
    resolved = file.read_text()
    shelf = home.shelves()["deep"]
    other = read_json(shelf / "manner.json") | {"forward_batch": 32}
    write_json(shelf / "manner.json", other)
    shutil.rmtree(file.parent)
    file.parent.mkdir()
    file.write_text(resolved)
    resumed = home.run()["student"].outcomes[MODEL]
    assert resumed.weights_sha256 == whole.weights_sha256
    assert resumed.answers["deep"] == AnswerCounts(asked=ASKED, computed=ASKED)
    assert resumed.answers["wide"] == AnswerCounts(read=ASKED)


def test_a_bank_that_cannot_be_used_is_reported_before_any_stage_begins(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "bank").write_text("a file where a folder must be")
    said = refused(tmp_path)
    assert said.startswith(f"the bank in '{tmp_path}/home/bank' cannot be used: not a directory; ")
    assert said.endswith("or take `ensemble.bank: none`")


def test_without_a_bank_its_folder_does_not_matter(home: Home) -> None:
    shutil.rmtree(home.store.bank)
    home.store.bank.write_text("a file where a folder could be")
    assert home.student("ensemble.bank=none").answers["wide"].computed == ASKED
