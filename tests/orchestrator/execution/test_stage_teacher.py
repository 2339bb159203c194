"""What is stored of a teacher and asked of it; its answers are on another shelf for all that may
change them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from orchestrator.execution.stage_teacher import StageTeacher
from orchestrator.home.store import Store
from orchestrator.planning.fingerprint import model_fingerprint
from orchestrator.planning.graph import Graph
from students.errors import CheckpointError
from students.knowledge import Tap
from students.specs import MODEL
from students.storage.attempts import begin_attempt
from students.storage.outcome import FinishedModel, Outcome, write_outcome
from students.training.build import sample_ids
from students.training.questions import required_views
from students.transfer_sets.catalog import load_transfer_set
from students.transfer_sets.transfer_set import TransferSet
from teachers.bank.shelf import identity_of, shelf_digest
from teachers.inference.inference_config import plain
from tests import small

HOME_WEIGHTS = "ab"
SHAPES = {"wide/hidden.0": (64,), "deep/stage1": (4, 4, 4), "deep/stage1:embedding": (4,)}


@dataclass(frozen=True)
class Shelves:
    """The teachers of a graph, whose stages are finished, with weights of that hash."""

    graph: Graph
    store: Store
    transfer_set: TransferSet

    def teacher(self, name: str, stage: str = "student") -> StageTeacher:
        """Teacher ``name`` of a stage."""
        of = replace(self.graph.stage(stage), hint_shapes=SHAPES)
        [ref] = [ref for ref in of.teachers if ref.name == name]
        return StageTeacher(of, ref, self.store, self.transfer_set)


def shelves_of(
    folder: Path, *overrides: str, weights: str = HOME_WEIGHTS, classes: str = "0123456789"
) -> Shelves:
    graph, store = small.planned(folder, *overrides), Store(folder / "home")
    for ref in graph.stage("student").teachers:
        stage = store.folder(ref.stage)
        model = FinishedModel(Outcome(weights, 1, 1, 1), {}, torch.zeros(1, 2))
        write_outcome(stage, begin_attempt(stage), {MODEL: model})
    data = load_transfer_set(graph.data.transfer_set, folder=folder, cache=folder)
    object.__setattr__(data, "class_names", tuple(classes))
    return Shelves(graph, store, data)


def digests(made: Shelves) -> dict[str, str]:
    return {name: shelf_digest(made.teacher(name).description) for name in ("wide", "deep")}


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
    before, after = digests(shelves_of(tmp_path)), digests(shelves_of(tmp_path, override))
    assert before["wide"] != after["wide"]
    assert (before["deep"] != after["deep"]) == override.startswith("transfer_set")


def test_another_shelf_for_other_weights_classes_and_images(tmp_path: Path) -> None:
    before = digests(shelves_of(tmp_path))
    assert digests(shelves_of(tmp_path, weights="cd"))["wide"] != before["wide"]
    assert digests(shelves_of(tmp_path, classes="0132456789"))["wide"] != before["wide"]
    other = shelves_of(tmp_path)
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
    assert digests(shelves_of(tmp_path)) == digests(shelves_of(tmp_path, override, *extra))


def test_without_augmentation_the_seed_of_the_views_does_not_matter(tmp_path: Path) -> None:
    none = "transfer_set.augment=none"
    assert digests(shelves_of(tmp_path, none)) == digests(
        shelves_of(tmp_path, none, "transfer_set.seed=1")
    )


def test_a_shelf_holds_what_is_asked_and_belongs_to_one_config(tmp_path: Path) -> None:
    made = shelves_of(tmp_path, "ensemble.bank={taps: true, top_k: 3, budget_gb: 2}")
    wide, deep = (made.teacher(name).answers(plain(1)) for name in ("wide", "deep"))
    assert wide.shelf is not None
    assert deep.shelf is not None
    assert [each.stored_name for each in wide.shelf.columns] == ["logits.top3", "tap.hidden.0"]
    assert [each.stored_name for each in deep.shelf.columns] == ["logits.top3"]
    assert wide.shelf.columns[1].shape == (64,)
    assert (wide.shelf.samples, wide.shelf.budget) == (1797, 2 * 10**9)
    assert wide.shelf.identity == identity_of(made.teacher("wide").description, plain(1).to_json())
    assert wide.shelf.folder == made.teacher("wide").folder
    other = made.teacher("wide").answers(plain(2)).shelf
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
    made = shelves_of(tmp_path, "ensemble.bank={taps: true}", *overrides)
    shelf = made.teacher("deep").answers(plain(1)).shelf
    assert shelf is not None
    assert sum(each.row_bytes for each in shelf.columns) == row


def test_a_teacher_is_asked_for_the_taps_and_top_k_of_the_stage_that_it_teaches(
    tmp_path: Path,
) -> None:
    made = shelves_of(tmp_path, "controls=[untaught, single_teachers]")

    def taps(name: str, stage: str) -> tuple[Tap, ...]:
        return made.teacher(name, stage).answers(plain(1)).taps

    assert taps("wide", "student") == (Tap("hidden.0"),)
    assert taps("deep", "student") == ()
    assert taps("wide", "controls.single_teachers.wide") == (Tap("hidden.0"),)
    assert taps("deep", "controls.single_teachers.deep") == ()
    for bank in ("{top_k: 3}", "none"):
        some = shelves_of(tmp_path, f"ensemble.bank={bank}", "student.objective.near=null")
        asked = some.teacher("wide").answers(plain(1))
        assert (asked.top_k, asked.shelf is None) == (
            (None, True) if bank == "none" else (3, False)
        )


def test_a_shelf_without_an_answers_taps_is_not_complete(tmp_path: Path) -> None:
    made = shelves_of(tmp_path)
    specs = [made.teacher(name).answers(plain(1)) for name in ("wide", "deep")]
    assert [each.complete_shelf is not None for each in specs] == [False, True]


def views(made: Shelves) -> set[int]:
    [spec] = made.graph.stage("student").cohort
    return required_views(spec, made.transfer_set)


def samples(made: Shelves) -> int:
    [spec] = made.graph.stage("student").cohort
    return len(sample_ids(made.transfer_set, spec.samples))


def test_a_stage_asks_for_all_its_samples_under_all_its_views(tmp_path: Path) -> None:
    made = shelves_of(tmp_path)
    assert views(made) == {0, 1, 2}
    assert made.teacher("wide").samples_to_answer() == max(3 * samples(made), 1797)
    assert views(shelves_of(tmp_path, "transfer_set.views=2")) == {0, 1}
    assert views(shelves_of(tmp_path, "transfer_set.augment=none")) == {0}


def test_views_of_epochs_in_which_no_teacher_is_asked_are_not_needed(tmp_path: Path) -> None:
    stop = "{kind: stop, value: 0.9, epoch: 2}"
    weights = [f"student.objective.{term}.weight={stop}" for term in ("soft_targets", "near")]
    assert views(shelves_of(tmp_path, *weights)) == {0, 1}
    assert views(shelves_of(tmp_path, weights[0])) == {0, 1, 2}


def test_a_config_is_never_chosen_for_less_than_a_view_of_all_samples(tmp_path: Path) -> None:
    made = shelves_of(tmp_path, "transfer_set.fraction=0.1", "transfer_set.views=1")
    assert samples(made) < 200
    assert made.teacher("wide").samples_to_answer() == 1797


def test_queries_create_no_folder_and_no_file(tmp_path: Path) -> None:
    made = shelves_of(tmp_path)
    before = set(tmp_path.rglob("*"))
    for name in ("wide", "deep"):
        teacher = made.teacher(name)
        assert teacher.config is None
        assert not teacher.is_answered
        assert not teacher.is_admitted(plain(1))
        assert teacher.taps is teacher.taps
        assert teacher.answers(plain(1)) and teacher.spec(1) and teacher.samples_to_answer()
        assert not teacher.folder.exists()
    assert set(tmp_path.rglob("*")) == before
    made.teacher("wide").prepare()
    assert made.teacher("wide").folder.is_dir()


def test_without_a_bank_that_can_be_used_a_teacher_has_a_folder_beside_it(tmp_path: Path) -> None:
    made = shelves_of(tmp_path, "ensemble.bank=none")
    made.store.bank.write_text("a file where a folder could be")
    teacher = made.teacher("wide")
    teacher.prepare()
    assert teacher.folder.is_dir()
    assert teacher.folder.is_relative_to(made.store.cache)
    assert teacher.answers(plain(1)).shelf is None


def test_what_is_stored_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = shelves_of(tmp_path)
    teacher = made.teacher("wide")
    asked: list[str] = []

    def counted(*given: object) -> object:
        asked.append("model")
        return model_fingerprint(*given)  # type: ignore[arg-type]

    monkeypatch.setattr("orchestrator.execution.stage_teacher.model_fingerprint", counted)
    for _ in range(3):
        assert teacher.folder and teacher.answers(plain(1)) and teacher.outcome
    assert asked == ["model"]


def test_a_teacher_whose_stage_is_not_stored_cannot_be_asked_for(tmp_path: Path) -> None:
    made = shelves_of(tmp_path)
    empty = replace(made, store=Store(tmp_path / "empty"))
    with pytest.raises(CheckpointError, match=r"the outcome of teacher 'wide' in '.*' cannot be"):
        _ = empty.teacher("wide").description
