import json

import pytest
import torch

from students.errors import CheckpointError, StaleAttempt
from students.models.config import Weights
from students.models.weights import read_weights
from students.storage.attempts import begin_attempt
from students.storage.outcome import (
    CurvePoint,
    Outcome,
    learning_curve,
    read_answers,
    read_outcome,
    weights_file,
    write_outcome,
)
from students.storage.step_log import Row

OUTCOME = Outcome(
    weights_sha256="ab" * 32,
    parameters=3,
    macs=5,
    bytes=12,
    steps=8,
    skipped=1,
    seconds=2.5,
    curve=(CurvePoint(0, 4, 1.5, 0.5, 1.25), CurvePoint(1, 8, None, None, None)),
    segments=((1, 100), (3, 250)),
)
WEIGHTS = {"layer.weight": torch.tensor([[1.0, 2.0, 3.0]]), "count": torch.tensor(7)}
ANSWERS = {"validation": torch.empty(0, 2), "test": torch.tensor([[0.25, -1.0]])}


def write(folder, attempt, outcome=OUTCOME, weights=WEIGHTS):
    write_outcome(folder, attempt, outcome, weights=weights, answers=ANSWERS)


@pytest.fixture
def stage(tmp_path):
    folder = tmp_path / "stage"
    write(folder, begin_attempt(folder))
    return folder


def test_an_outcome_is_read_back_as_it_was(stage):
    found = read_outcome(stage)
    assert {**vars(found), "files": {}} == vars(OUTCOME)
    answers = read_answers(stage)
    assert answers.keys() == ANSWERS.keys()
    assert all(torch.equal(answers[part], ANSWERS[part]) for part in ANSWERS)
    loaded = read_weights(Weights(path=str(weights_file(stage))), path_in_recipe="w", folder=stage)
    assert all(torch.equal(loaded[name], WEIGHTS[name]) for name in WEIGHTS)


def test_a_new_stage_has_no_outcome(tmp_path):
    assert read_outcome(tmp_path) is None


@pytest.mark.parametrize("file", ["outcome.json", "answers.safetensors", "model.safetensors"])
@pytest.mark.parametrize("damage", ["cut", "flip", "remove"])
def test_a_damaged_outcome_is_none(stage, file, damage):
    path = stage / "outcome" / file
    content = path.read_bytes()
    if damage == "remove":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.write_bytes(bytes([content[0] ^ 0xFF]) + content[1:])
    assert read_outcome(stage) is None
    write(stage, begin_attempt(stage))
    assert read_outcome(stage) is not None


@pytest.mark.parametrize(
    "content", ["null", "[]", "{}", '{"files": {}}', '{"files": null}', '{"files": {}, "x": 1}']
)
def test_an_outcome_that_is_json_of_something_else_is_none(stage, content):
    (stage / "outcome" / "outcome.json").write_text(content)
    assert read_outcome(stage) is None


def test_a_model_with_weights_in_another_file_stores_none(tmp_path):
    write(tmp_path, begin_attempt(tmp_path), weights={})
    assert not weights_file(tmp_path).exists()
    assert set(read_outcome(tmp_path).files) == {"answers.safetensors"}


def test_a_stale_attempt_leaves_no_outcome(stage):
    before = read_outcome(stage)
    begin_attempt(stage)
    with pytest.raises(StaleAttempt):
        write(stage, 1, Outcome("cd" * 32, 1, 1, 1))
    assert read_outcome(stage) == before
    assert not list(stage.glob(".tmp-*"))


def test_a_disk_that_is_full_leaves_no_partial_outcome(tmp_path, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("students.storage.attempts.write_folder", full)
    with pytest.raises(CheckpointError, match=r"No space left on device\); make room"):
        write(tmp_path, begin_attempt(tmp_path))
    assert read_outcome(tmp_path) is None
    assert not list(tmp_path.glob("*outcome*"))


def test_tied_weights_and_views_are_stored_in_full(tmp_path):
    shared = torch.arange(6.0).reshape(2, 3)
    write(tmp_path, begin_attempt(tmp_path), weights={"a": shared, "b": shared, "c": shared.T})
    path = Weights(path=str(weights_file(tmp_path)))
    loaded = read_weights(path, path_in_recipe="w", folder=tmp_path)
    assert torch.equal(loaded["a"], loaded["b"])
    assert torch.equal(loaded["c"], shared.T)


def test_the_file_has_plain_keys(stage):
    written = json.loads((stage / "outcome" / "outcome.json").read_text())
    assert written["weights_sha256"] == OUTCOME.weights_sha256
    assert written["curve"][1] == {
        "epoch": 1, "step": 8, "loss": None, "accuracy": None, "nll": None,
    }  # fmt: skip


def step(number, **values):
    return Row("step", number, 0, values)


def epoch(number, last, **values):
    return Row("epoch", last, 0, values, epoch=number)


def test_an_epochs_loss_is_the_mean_of_its_steps():
    rows = [step(0, loss=4.0), step(1, loss=2.0), epoch(0, 1, accuracy=0.5, nll=1.5),
            step(2, loss=1.0), step(3, loss=2.0), epoch(1, 3, accuracy=0.75, nll=1.0)]  # fmt: skip
    assert learning_curve(rows, steps_per_epoch=2) == (
        CurvePoint(epoch=0, step=2, loss=3.0, accuracy=0.5, nll=1.5),
        CurvePoint(epoch=1, step=4, loss=1.5, accuracy=0.75, nll=1.0),
    )


def test_steps_whose_loss_is_not_finite_do_not_count():
    rows = [step(0, nonfinite=1.0), step(1, loss=2.0), step(2, nonfinite=1.0)]
    assert [point.loss for point in learning_curve(rows, 2)] == [2.0]


def test_an_epoch_with_validation_alone_has_no_loss():
    assert learning_curve([epoch(0, 1, accuracy=0.5, nll=1.0)], 2) == (
        CurvePoint(epoch=0, step=2, loss=None, accuracy=0.5, nll=1.0),
    )


def test_without_validation_there_is_loss_alone():
    assert learning_curve([step(0, loss=1.0)], 1) == (
        CurvePoint(epoch=0, step=1, loss=1.0, accuracy=None, nll=None),
    )


def test_without_rows_the_curve_is_empty():
    assert learning_curve([], 5) == ()
