"""Which shelf a teacher's answers are on: another one for all that may change them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from orchestrator.execution.bank_shelves import BankShelves

from orchestrator.home.store import Store
from students.knowledge import Tap
from students.storage.attempts import begin_attempt
from students.storage.outcome import Outcome, write_outcome
from students.transfer_sets.catalog import load_transfer_set
from teachers.bank.shelf import identity_of, shelf_digest
from teachers.inference.inference_config import plain
from tests import small

HOME_WEIGHTS = "ab"


def bank_shelves(
    folder: Path, *overrides: str, weights: str = HOME_WEIGHTS, classes: str = "0123456789"
) -> BankShelves:
    """A plan whose teachers are finished, with weights of that hash."""
    plan, store = small.planned(folder, *overrides), Store(folder / "home")
    for name in plan.recipe.teachers:
        stage = store.folder(plan.stage(f"teachers.{name}").digest)
        outcome = Outcome(weights, 1, 1, 1)
        answers = {"test": torch.zeros(1, 2)}
        write_outcome(stage, begin_attempt(stage), outcome, weights={}, answers=answers)
    data = load_transfer_set(plan.recipe.transfer_set, folder=folder, cache=folder)
    object.__setattr__(data, "class_names", tuple(classes))
    shapes = {"wide/hidden.0": (64,), "deep/stage1": (4, 4, 4), "deep/stage1:embedding": (4,)}
    return BankShelves(plan, store, data, shapes)


def digests(made: BankShelves) -> dict[str, str]:
    return {name: shelf_digest(made.description(name)) for name in ("wide", "deep")}


OTHERS = [
    "transfer_set.augment={kind: shift, pixels: 1}",
    "transfer_set.augment=none",
    "transfer_set.seed=1",
    "teachers.wide.precision=fp32",
    "teachers.wide.threads=2",
    "teachers.wide.model.hidden=[32]",
    "teachers.wide.model.preprocessing={mean: [0.5], std: [0.5]}",
    "teachers.wide.resources.gpus=1",
    "teachers.wide.classes=[3, 5]",
    "teachers.wide.classes=[5, 3]",
]


@pytest.mark.parametrize("override", OTHERS)
def test_another_shelf_for_what_may_change_an_answer(tmp_path: Path, override: str) -> None:
    before, after = digests(bank_shelves(tmp_path)), digests(bank_shelves(tmp_path, override))
    assert before["wide"] != after["wide"]
    assert (before["deep"] != after["deep"]) == override.startswith("transfer_set")


def test_another_shelf_for_other_weights_classes_and_images(tmp_path: Path) -> None:
    before = digests(bank_shelves(tmp_path))
    assert digests(bank_shelves(tmp_path, weights="cd"))["wide"] != before["wide"]
    assert digests(bank_shelves(tmp_path, classes="0132456789"))["wide"] != before["wide"]
    other = bank_shelves(tmp_path)
    object.__setattr__(other.transfer_set, "identity", "other pictures")
    assert digests(other)["wide"] != before["wide"]


SAME = [
    "transfer_set.views=3",
    "transfer_set.fraction=0.5",
    "transfer_set.labelled=0.5",
    "transfer_set.omit=[3]",
    "student.train.seed=9",
    "student.train.batch_size=32",
    "student.objective.near=null",
    "ensemble.temperature=2.0",
    "ensemble.bank.top_k=3",
    "ensemble.bank.budget_gb=1",
    "teachers.wide.replicas=2",
    "seed=8",
]


@pytest.mark.parametrize("override", SAME)
def test_the_same_shelf_for_what_changes_no_answer(tmp_path: Path, override: str) -> None:
    extra = ("student.objective.near=null",) if "top_k" in override else ()
    assert digests(bank_shelves(tmp_path)) == digests(bank_shelves(tmp_path, override, *extra))


def test_without_augmentation_the_seed_of_the_views_does_not_matter(tmp_path: Path) -> None:
    none = "transfer_set.augment=none"
    assert digests(bank_shelves(tmp_path, none)) == digests(
        bank_shelves(tmp_path, none, "transfer_set.seed=1")
    )


def test_a_shelf_holds_what_is_asked_and_belongs_to_one_config(tmp_path: Path) -> None:
    made = bank_shelves(tmp_path, "ensemble.bank={taps: true, top_k: 3, budget_gb: 2}")
    stage, folder = made.plan.stage("student"), tmp_path / "shelf"
    wide, deep = (made.answer_spec(stage, name, folder, plain(1)) for name in ("wide", "deep"))
    assert wide.shelf is not None
    assert deep.shelf is not None
    assert [each.stored_name for each in wide.shelf.columns] == ["logits.top3", "tap.hidden.0"]
    assert [each.stored_name for each in deep.shelf.columns] == ["logits.top3"]
    assert wide.shelf.columns[1].shape == (64,)
    assert (wide.shelf.samples, wide.shelf.budget) == (1797, 2 * 10**9)
    assert wide.shelf.identity == identity_of(made.description("wide"), plain(1).to_json())
    other = made.answer_spec(stage, "wide", folder, plain(2)).shelf
    assert other is not None
    assert other.identity != wide.shelf.identity


FAR = "student.objective.far={kind: relation_angle, teacher: deep, hint: stage1, guided: hidden.0"


@pytest.mark.parametrize(
    ("overrides", "row"),
    [
        ((), 20),
        ((FAR + "}",), 20 + 2 * 4),
        ((FAR + ", weight: 0}",), 20),
        (("student.objective.near={kind: hint, teacher: deep, hint: stage1, guided: hidden.0}",),
         20 + 2 * 4 * 4 * 4),
    ],
)  # fmt: skip
def test_a_shelf_is_as_wide_as_what_the_terms_ask_of_its_teacher(
    tmp_path: Path, overrides: tuple[str, ...], row: int
) -> None:
    made = bank_shelves(tmp_path, "ensemble.bank={taps: true}", *overrides)
    shelf = made.answer_spec(made.plan.stage("student"), "deep", tmp_path / "shelf", plain(1)).shelf
    assert shelf is not None
    assert sum(each.row_bytes for each in shelf.columns) == row


def test_a_teacher_is_asked_for_the_taps_and_top_k_of_the_stage_that_it_teaches(
    tmp_path: Path,
) -> None:
    made = bank_shelves(tmp_path, "controls=[untaught, single_teachers]")

    def taps(name: str, stage: str) -> tuple[Tap, ...]:
        return made.answer_spec(made.plan.stage(stage), name, tmp_path, plain(1)).taps

    assert taps("wide", "student") == (Tap("hidden.0"),)
    assert taps("deep", "student") == ()
    assert taps("wide", "controls.single_teachers.wide") == (Tap("hidden.0"),)
    assert taps("deep", "controls.single_teachers.deep") == ()
    for bank in ("{top_k: 3}", "none"):
        some = bank_shelves(tmp_path, f"ensemble.bank={bank}", "student.objective.near=null")
        asked = some.answer_spec(some.plan.stage("student"), "wide", tmp_path, plain(1))
        assert (asked.top_k, asked.shelf is None) == (
            (None, True) if bank == "none" else (3, False)
        )


def test_a_shelf_without_an_answers_taps_is_not_complete(tmp_path: Path) -> None:
    made = bank_shelves(tmp_path)
    specs = [
        made.answer_spec(made.plan.stage("student"), name, tmp_path, plain(1))
        for name in ("wide", "deep")
    ]
    assert [each.complete_shelf is not None for each in specs] == [False, True]


def test_a_stage_asks_for_all_its_samples_under_all_its_views(tmp_path: Path) -> None:
    made = bank_shelves(tmp_path)
    stage = made.plan.stage("student")
    assert made.views(stage) == [0, 1, 2]
    assert made.samples_to_answer(stage) == max(3 * len(made.sample_ids(stage)), 1797)
    turns = bank_shelves(tmp_path, "transfer_set.views=2")
    assert turns.views(turns.plan.stage("student")) == [0, 1]
    still = bank_shelves(tmp_path, "transfer_set.augment=none")
    assert still.views(still.plan.stage("student")) == [0]


def test_views_of_epochs_in_which_no_teacher_is_asked_are_not_needed(tmp_path: Path) -> None:
    stop = "{kind: stop, value: 0.9, epoch: 2}"
    weights = [f"student.objective.{term}.weight={stop}" for term in ("soft_targets", "near")]
    stopped = bank_shelves(tmp_path, *weights)
    assert stopped.views(stopped.plan.stage("student")) == [0, 1]
    longer = bank_shelves(tmp_path, weights[0])
    assert longer.views(longer.plan.stage("student")) == [0, 1, 2]


def test_a_config_is_never_chosen_for_less_than_a_view_of_all_samples(
    tmp_path: Path,
) -> None:
    small = bank_shelves(tmp_path, "transfer_set.fraction=0.1", "transfer_set.views=1")
    stage = small.plan.stage("student")
    assert len(small.sample_ids(stage)) < 200
    assert small.samples_to_answer(stage) == 1797
