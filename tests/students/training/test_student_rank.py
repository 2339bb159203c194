"""A student interrupted at any step ends as the uninterrupted one, bit for bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from students.errors import StaleAttempt
from students.events import Committed, EpochReport, Resumed, Warned
from students.knowledge import Batch
from students.models.in_a_row import PlainCnn
from students.models.network import weights_sha256
from students.objectives.born_again import PermutedTargets
from students.specs import MODEL, Samples, StudentSpec
from students.storage.checkpoint import CheckpointFolder
from students.storage.outcome import VALIDATION, read_logits, weights_file
from students.training.build import student_network
from students.training.student_rank import StudentRank
from students.transfer_sets.catalog import load_transfer_set
from students.transfer_sets.sampler import Ids
from students.transfer_sets.transfer_set import TransferSet
from tests.students import tiny

STEPS = 8
SPECS = {
    "dropout_and_checkpoints_in_mid_epoch": tiny.spec(tiny.DROPOUT, lr_schedule="cosine"),
    "targets_permuted_in_each_epoch": replace(
        tiny.spec(tiny.NORMS), objective={"permuted": PermutedTargets(temperature=1.0)}
    ),
    "batch_norms_and_adamw": tiny.spec(
        tiny.NORMS, optimizer={"kind": "adamw"}, checkpoint={"every": "epoch", "keep": 1}
    ),
    "frozen_batch_norms": replace(
        tiny.spec(PlainCnn(channels=(3, 3, 4)), optimizer={"kind": "sgd", "weight_decay": 0.01}),
        frozen=("stage1",),
    ),
}


@pytest.fixture(scope="module", params=SPECS)
def spec(request: pytest.FixtureRequest) -> StudentSpec:
    return SPECS[request.param]


@pytest.fixture(scope="module")
def undisturbed(spec: StudentSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    stage = tmp_path_factory.mktemp("undisturbed") / "stage"
    tiny.train(stage, spec)
    return stage


def period(spec: StudentSpec) -> int:
    return 4 if spec.train.checkpoint.every == "epoch" else int(spec.train.checkpoint.every)


@pytest.mark.parametrize("step", range(STEPS))
def test_a_training_interrupted_at_any_step_ends_with_the_same_student_and_figures(
    spec: StudentSpec, undisturbed: Path, tmp_path: Path, step: int
) -> None:
    stage = tmp_path / "stage"
    tiny.train(stage, spec, until=step)
    source = tiny.OneTeacher()
    events = tiny.train(stage, spec, source=source)
    committed = step - step % period(spec)
    assert events[0] == Resumed(committed, STEPS, 2)
    assert len(source.asked) == 2 * (STEPS - committed), (
        "no question of a committed step is asked again"
    )
    assert tiny.outcome(stage).weights_sha256 == tiny.outcome(undisturbed).weights_sha256
    assert weights_file(stage).read_bytes() == weights_file(undisturbed).read_bytes()
    assert tiny.measured(stage) == tiny.measured(undisturbed)
    assert tiny.outcome(stage).curve == tiny.outcome(undisturbed).curve
    logits, others = (read_logits(each, MODEL, VALIDATION) for each in (stage, undisturbed))
    assert logits is not None
    assert others is not None
    assert torch.equal(logits, others)


@pytest.mark.parametrize("until", [None, 5])
def test_frozen_layers_end_as_they_began_after_a_resume_too(
    tmp_path: Path, until: int | None
) -> None:
    spec, stage = SPECS["frozen_batch_norms"], tmp_path / "stage"
    if until is not None:
        tiny.train(stage, spec, until=until)
    tiny.train(stage, spec)
    data = load_transfer_set(tiny.DATA, folder=tmp_path, cache=tmp_path / "cache")
    start = student_network(spec, data, tmp_path).model.state_dict()
    end = safetensors.torch.load_file(weights_file(stage))
    stayed = {name for name in start if torch.equal(start[name], end[name])}
    assert stayed == {name for name in start if name.startswith("stage1.")}
    assert "stage1.norm1.num_batches_tracked" in stayed
    assert "stage2.norm1.running_mean" in start.keys() - stayed


def test_every_step_and_every_epoch_is_logged_once(undisturbed: Path) -> None:
    rows = tiny.measured(undisturbed)
    assert [step for kind, step, _ in rows if kind == "step"] == list(range(STEPS))
    assert [step for kind, step, _ in rows if kind == "epoch"] == [3, 7]
    outcome = tiny.outcome(undisturbed)
    assert (outcome.steps, outcome.skipped) == (STEPS, 0)
    assert [(point.epoch, point.step) for point in outcome.curve] == [(0, 4), (1, 8)]


def test_events_report_epochs_and_commits(spec: StudentSpec, tmp_path: Path) -> None:
    events = tiny.train(tmp_path / "stage", spec)
    commits = [event.step for event in events if isinstance(event, Committed)]
    assert commits == ([3, 6, 8] if period(spec) == 3 else [4, 8])
    epochs = [(e.epoch, e.step) for e in events if isinstance(e, EpochReport)]
    assert epochs == [(0, 4), (1, 8)]


def test_a_training_interrupted_again_and_again_ends_with_the_same_student(
    spec: StudentSpec, undisturbed: Path, tmp_path: Path
) -> None:
    stage = tmp_path / "stage"
    for step in (5, 5, 6, 7):
        tiny.train(stage, spec, until=step)
    tiny.train(stage, spec)
    assert tiny.outcome(stage).weights_sha256 == tiny.outcome(undisturbed).weights_sha256
    assert tiny.measured(stage) == tiny.measured(undisturbed)


def test_a_finished_training_whose_outcome_was_lost_is_evaluated_again(
    spec: StudentSpec, undisturbed: Path, tmp_path: Path
) -> None:
    stage, source = tmp_path / "stage", tiny.OneTeacher()
    tiny.train(stage, spec)
    (stage / "outcome" / MODEL / "outcome.json").unlink()
    assert tiny.train(stage, spec, source=source) == [Resumed(STEPS, STEPS, 2)]
    assert source.asked == []
    assert tiny.outcome(stage).weights_sha256 == tiny.outcome(undisturbed).weights_sha256
    assert tiny.measured(stage) == tiny.measured(undisturbed)


@pytest.mark.parametrize("file", ["model.safetensors", "optimizer.safetensors", "manifest.json"])
def test_a_damaged_checkpoint_costs_the_steps_since_the_one_before_and_nothing_else(
    tmp_path: Path, file: str
) -> None:
    spec = SPECS["dropout_and_checkpoints_in_mid_epoch"]
    tiny.train(tmp_path / "undisturbed", spec)
    stage = tmp_path / "stage"
    tiny.train(stage, spec, until=7)
    broken = stage / "checkpoints" / "step-000006" / file
    broken.write_bytes(broken.read_bytes()[:-9])
    warned, resumed, *_ = tiny.train(stage, spec)
    assert isinstance(warned, Warned)
    assert "step-000006 is passed over" in warned.text
    assert resumed == Resumed(3, STEPS, 2)
    assert tiny.outcome(stage).weights_sha256 == (
        tiny.outcome(tmp_path / "undisturbed").weights_sha256
    )
    assert tiny.measured(stage) == tiny.measured(tmp_path / "undisturbed")


def test_a_stale_attempt_leaves_nothing(tmp_path: Path) -> None:
    spec, stage = SPECS["dropout_and_checkpoints_in_mid_epoch"], tmp_path / "stage"
    outlived = StudentRank(tiny.assignment(stage, spec), tiny.OneTeacher()).train()
    assert isinstance(next(outlived), Resumed)
    tiny.train(stage, spec, until=4)
    before = sorted(path.name for path in (stage / "checkpoints").iterdir())
    with pytest.raises(StaleAttempt):
        list(outlived)
    assert sorted(path.name for path in (stage / "checkpoints").iterdir()) == before
    tiny.train(stage, spec)
    tiny.train(tmp_path / "undisturbed", spec)
    assert tiny.outcome(stage).weights_sha256 == (
        tiny.outcome(tmp_path / "undisturbed").weights_sha256
    )
    assert tiny.measured(stage) == tiny.measured(tmp_path / "undisturbed")


Seen = list[tuple[int, list[int]]]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """View and sample ids of each micro-batch that is trained on."""
    found: Seen = []
    real = TransferSet.batch

    def batch(self: TransferSet, ids: Ids, view: int, **how: Any) -> Batch:
        # Held-out samples are looked at as they are, these under the student's augmentation.
        if how.get("augment") == tiny.DATA.augment:
            found.append((view, ids.tolist()))
        return real(self, ids, view, **how)

    monkeypatch.setattr(TransferSet, "batch", batch)
    return found


def test_untaught_is_the_same_student_on_the_same_samples_in_the_same_order(
    tmp_path: Path, seen: Seen
) -> None:
    taught, untaught = tiny.OneTeacher(), tiny.OneTeacher()
    tiny.train(tmp_path / "taught", tiny.spec(), source=taught)
    tiny.train(tmp_path / "untaught", tiny.spec(taught=False), source=untaught)
    assert len(seen) == 2 * 2 * STEPS
    assert seen[: 2 * STEPS] == seen[2 * STEPS :]
    assert {view for view, _ in seen} == {0, 1}
    assert [(q.view, q.sample_ids.tolist()) for q in taught.asked] == seen[: 2 * STEPS]
    assert untaught.asked == []
    data = load_transfer_set(tiny.DATA, folder=tmp_path, cache=tmp_path)
    first = [
        weights_sha256(student_network(spec, data, tmp_path).model)
        for spec in (tiny.spec(), tiny.spec(taught=False))
    ]
    assert first[0] == first[1]
    rates = [
        [values["learning_rate"] for kind, _, values in tiny.measured(tmp_path / name)
         if kind == "step"]
        for name in ("taught", "untaught")
    ]  # fmt: skip
    assert rates[0] == rates[1]
    assert tiny.outcome(tmp_path / "taught").weights_sha256 != (
        tiny.outcome(tmp_path / "untaught").weights_sha256
    )


def test_a_students_adapters_are_no_part_of_it(tmp_path: Path) -> None:
    stage = tmp_path / "stage"
    tiny.train(stage, tiny.spec())
    data = load_transfer_set(tiny.DATA, folder=tmp_path, cache=tmp_path)
    model = student_network(tiny.spec(), data, tmp_path).model
    outcome = tiny.outcome(stage)
    assert outcome.parameters == sum(each.numel() for each in model.parameters())
    checkpoint = CheckpointFolder(stage, 1, 2).latest()
    assert checkpoint is not None
    assert any(name.startswith("adapters.near.") for name in checkpoint.load().module)


def test_another_seed_is_another_student(tmp_path: Path) -> None:
    shas = set()
    for seed in (0, 1):
        tiny.train(tmp_path / str(seed), tiny.spec(seed=seed))
        shas.add(tiny.outcome(tmp_path / str(seed)).weights_sha256)
    assert len(shas) == 2


def test_a_teacher_in_training_sees_every_label_of_its_own_share_of_samples(
    tmp_path: Path, seen: Seen
) -> None:
    data = tiny.DATA.model_copy(update={"labelled": 0.0})
    samples = Samples("teacher", tiny.DATA.augment, fraction=0.05)
    teacher = replace(tiny.spec(taught=False), samples=samples)
    task = tiny.assignment(tmp_path / "teacher", teacher, data=tiny.planned_data(data, tmp_path))
    list(StudentRank(task, tiny.OneTeacher()).train())
    every = load_transfer_set(data, folder=tmp_path, cache=tmp_path)
    assert {i for _, ids in seen for i in ids} == set(every.teacher_ids(0.05))
    assert set(every.teacher_ids(0.05)) > set(every.student_ids)
    losses = [
        values["terms/task"]
        for kind, _, values in tiny.measured(tmp_path / "teacher")
        if kind == "step"
    ]
    assert min(losses) > 0.5, "without labels the task would be at no loss"


def test_a_specialist_learns_from_its_classes_and_is_validated_on_them(
    tmp_path: Path, seen: Seen
) -> None:
    samples = Samples("teacher", tiny.DATA.augment, fraction=0.2, classes=(5, 3))
    task = tiny.assignment(
        tmp_path / "teacher", replace(tiny.spec(taught=False, epochs=6), samples=samples)
    )
    list(StudentRank(task, tiny.OneTeacher()).train())
    every = load_transfer_set(tiny.DATA, folder=tmp_path, cache=tmp_path)
    assert {int(every.targets[i]) for _, ids in seen for i in ids} == {3, 5}
    answers = read_logits(tmp_path / "teacher", MODEL, VALIDATION)
    assert answers is not None
    targets = torch.from_numpy(every.targets[every.validation_ids])
    mine = torch.isin(targets, torch.tensor([3, 5]))
    last = tiny.outcome(tmp_path / "teacher").curve[-1]
    right = (answers.argmax(1) == targets)[mine].double().mean()
    assert last.accuracy == pytest.approx(float(right))
    assert float(right) > 0.5
    assert set(answers.argmax(1).tolist()) <= {3, 5}
