import hashlib
import json
import shutil
from dataclasses import replace

import pytest
import safetensors.torch
import torch

from students.errors import CheckpointError, StaleAttempt
from students.specs import MODEL
from students.storage.attempts import begin_attempt
from students.storage.outcome import (
    TEST,
    VALIDATION,
    CurvePoint,
    FinishedModel,
    Outcome,
    learning_curve,
    read_logits,
    read_outcomes,
    weights_file,
    write_logits,
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
LOGITS = torch.tensor([[0.25, -1.0]])


def write(folder, attempt, outcome=OUTCOME, weights=WEIGHTS):
    write_outcome(folder, attempt, {MODEL: FinishedModel(outcome, weights, LOGITS)})


@pytest.fixture
def stage(tmp_path):
    folder = tmp_path / "stage"
    write(folder, begin_attempt(folder))
    return folder


def test_an_outcome_is_read_back_as_it_was(stage):
    [(name, found)] = read_outcomes(stage).items()
    assert name == MODEL
    assert {**vars(found), "files": {}} == vars(OUTCOME)
    assert torch.equal(read_logits(stage, MODEL, VALIDATION), LOGITS)
    loaded = safetensors.torch.load_file(weights_file(stage))
    assert all(torch.equal(loaded[name], WEIGHTS[name]) for name in WEIGHTS)


def test_a_new_stage_has_no_outcome(tmp_path):
    assert read_outcomes(tmp_path) == {}


@pytest.mark.parametrize("file", ["outcome.json", "answers.safetensors", "model.safetensors"])
@pytest.mark.parametrize("damage", ["cut", "flip", "remove"])
def test_of_a_damaged_outcome_nothing_is_known(stage, file, damage):
    path = stage / "outcome" / MODEL / file
    content = path.read_bytes()
    if damage == "remove":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.write_bytes(bytes([content[0] ^ 0xFF]) + content[1:])
    assert read_outcomes(stage) == {}
    write(stage, begin_attempt(stage))
    assert read_outcomes(stage).keys() == {MODEL}


@pytest.mark.parametrize(
    "content", ["null", "[]", "{}", '{"files": {}}', '{"files": null}', '{"files": {}, "x": 1}']
)
def test_an_outcome_that_is_json_of_something_else_counts_for_nothing(stage, content):
    (stage / "outcome" / MODEL / "outcome.json").write_text(content)
    assert read_outcomes(stage) == {}


def test_each_student_of_a_cohort_has_an_outcome_and_one_that_is_damaged_is_all(tmp_path):
    def finished(name):
        return FinishedModel(replace(OUTCOME, weights_sha256=name), WEIGHTS, LOGITS)

    models = {name: finished(name) for name in ("one", "two")}
    write_outcome(tmp_path, begin_attempt(tmp_path), models)
    outcomes = read_outcomes(tmp_path)
    assert {name: each.weights_sha256 for name, each in outcomes.items()} == {
        "one": "one",
        "two": "two",
    }
    assert weights_file(tmp_path, "two").is_file()
    (tmp_path / "outcome" / "two" / "model.safetensors").write_bytes(b"gone")
    assert read_outcomes(tmp_path) == {}


def test_logits_on_the_test_part_are_stored_when_they_are_asked_for(stage):
    assert read_logits(stage, MODEL, TEST) is None
    write_logits(stage, MODEL, TEST, LOGITS + 1)
    assert torch.equal(read_logits(stage, MODEL, TEST), LOGITS + 1)
    assert torch.equal(read_logits(stage, MODEL, VALIDATION), LOGITS)
    assert read_outcomes(stage).keys() == {MODEL}
    [file] = stage.glob("evaluations/*")
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    assert read_logits(stage, MODEL, TEST) is None, "it is damaged"


def test_what_the_version_before_has_stored_is_read(stage, tmp_path):
    """It had one model to a stage, in ``outcome`` itself, and evaluated both parts at its end."""
    old = tmp_path / "old"
    shutil.copytree(stage / "outcome" / MODEL, old / "outcome")
    answers = safetensors.torch.save({VALIDATION: LOGITS, TEST: LOGITS + 1})
    (old / "outcome" / "answers.safetensors").write_bytes(answers)
    written = json.loads((old / "outcome" / "outcome.json").read_text())
    del written["checksum"], written["checksum_kind"]
    written["files"]["answers.safetensors"] = hashlib.sha256(answers).hexdigest()
    (old / "outcome" / "outcome.json").write_text(json.dumps(written))
    assert read_outcomes(old).keys() == {MODEL}
    assert weights_file(old).read_bytes() == weights_file(stage).read_bytes()
    assert torch.equal(read_logits(old, MODEL, TEST), LOGITS + 1)


def test_a_model_with_weights_in_another_file_stores_none(tmp_path):
    write(tmp_path, begin_attempt(tmp_path), weights={})
    assert not weights_file(tmp_path).exists()
    assert set(read_outcomes(tmp_path)[MODEL].files) == {"answers.safetensors"}


def test_a_stale_attempt_leaves_no_outcome(stage):
    before = read_outcomes(stage)
    begin_attempt(stage)
    with pytest.raises(StaleAttempt):
        write(stage, 1, Outcome("cd" * 32, 1, 1, 1))
    assert read_outcomes(stage) == before
    assert not list(stage.glob(".tmp-*"))


def test_a_disk_that_is_full_leaves_no_partial_outcome(tmp_path, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("students.storage.attempts.write_folder", full)
    with pytest.raises(CheckpointError, match=r"No space left on device\); make room"):
        write(tmp_path, begin_attempt(tmp_path))
    assert read_outcomes(tmp_path) == {}
    assert not list(tmp_path.glob("*outcome*"))


def test_tied_weights_and_views_are_stored_in_full(tmp_path):
    shared = torch.arange(6.0).reshape(2, 3)
    write(tmp_path, begin_attempt(tmp_path), weights={"a": shared, "b": shared, "c": shared.T})
    loaded = safetensors.torch.load_file(weights_file(tmp_path))
    assert torch.equal(loaded["a"], loaded["b"])
    assert torch.equal(loaded["c"], shared.T)


def test_the_file_has_plain_keys(stage):
    written = json.loads((stage / "outcome" / MODEL / "outcome.json").read_text())
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
