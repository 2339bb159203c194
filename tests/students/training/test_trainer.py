"""The training loop: gradients that are not finite, limits on weights, what it logs."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import torch

from students.errors import TrainingError
from students.events import EpochReport
from students.training.trainer import MOST_SKIPS_IN_A_ROW, Progress
from tests.students import tiny

MICRO = 2
"""Micro-batches of one step."""


def steps(stage: Path) -> list[dict[str, float]]:
    return [values for kind, _, values in tiny.measured(stage) if kind == "step"]


def weights_after(stage: Path, step: int) -> dict[str, torch.Tensor]:
    file = stage / "checkpoints" / f"step-{step:06d}" / "model.safetensors"
    return safetensors.torch.load_file(file)


def nan_at(*at: int) -> tiny.OneTeacher:
    """Answers that make the second micro-batch of these steps not finite."""
    return tiny.OneTeacher(frozenset(MICRO * step + 1 for step in at))


def every_step_kept(**train: object) -> dict[str, object]:
    return {"checkpoint": {"every": 1, "keep": 100}, **train}


def test_a_step_whose_gradients_are_not_finite_is_skipped_and_counted(tmp_path: Path) -> None:
    stage = tmp_path / "stage"
    spec = tiny.spec(**every_step_kept(gradient_clipping="none"))
    tiny.train(stage, spec, source=nan_at(2, 3, 6))
    outcome = tiny.outcome(stage)
    assert (outcome.steps, outcome.skipped) == (8, 3)
    assert [values["skipped"] for values in steps(stage)] == [0, 0, 1, 1, 0, 0, 1, 0]
    for done in range(2, 9):
        before, after = weights_after(stage, done - 1), weights_after(stage, done)
        same = all(torch.equal(before[name], after[name]) for name in before)
        assert same == (done - 1 in (2, 3, 6)), f"after step {done - 1}"
        assert all(bool(value.isfinite().all()) for value in after.values())


def test_values_that_are_not_finite_are_counted_and_not_logged(tmp_path: Path) -> None:
    tiny.train(tmp_path / "stage", tiny.spec(), source=nan_at(2))
    rows = steps(tmp_path / "stage")
    assert {"loss", "terms/soft_targets", "terms/task"} <= rows[1].keys()
    assert "loss" not in rows[2]
    assert rows[2]["terms/task"] > 0
    assert rows[2]["nonfinite"] >= 2
    # The mean of the epoch's losses is over the finite ones.
    [first, _] = tiny.outcome(tmp_path / "stage").curve
    assert first.loss == pytest.approx(sum(rows[n]["loss"] for n in (0, 1, 3)) / 3)


LONG = tiny.spec(epochs=6)
"""24 steps."""


def test_nine_skips_in_a_row_are_allowed_and_ten_end_the_run(tmp_path: Path) -> None:
    assert MOST_SKIPS_IN_A_ROW == 10
    allowed = nan_at(*range(1, 10), *range(11, 20))
    tiny.train(tmp_path / "allowed", LONG, source=allowed)
    assert tiny.outcome(tmp_path / "allowed").skipped == 18
    with pytest.raises(
        TrainingError,
        match=r"train\.optimizer\.lr` is .* in 10 steps in a row, up to step 13; lower",
    ):
        tiny.train(tmp_path / "ended", LONG, source=nan_at(*range(3, 20)))


def test_skips_in_a_row_are_counted_over_a_resume(tmp_path: Path) -> None:
    stage = tmp_path / "stage"
    tiny.train(stage, LONG, until=10, source=nan_at(*range(4, 20)))
    # It goes on at step 9, after five of them.
    with pytest.raises(TrainingError, match="up to step 14"):
        tiny.train(stage, LONG, source=nan_at(*range(20)))


def longest(stage: Path, step: int, part: str) -> float:
    """The largest norm of the weights into one unit."""
    return max(
        torch.linalg.vector_norm(value.flatten(1), dim=1).max().item()
        for name, value in weights_after(stage, step).items()
        if name.startswith(part) and value.ndim > 1
    )


def test_max_norm_holds_after_each_step_for_the_student_alone(tmp_path: Path) -> None:
    free, held = tmp_path / "free", tmp_path / "held"
    fast = {"optimizer": {"kind": "sgd", "lr": 0.5}, "gradient_clipping": "none"}
    tiny.train(free, tiny.spec(**every_step_kept(**fast)))
    tiny.train(held, tiny.spec(**every_step_kept(**fast, max_norm=0.4)))
    for step in range(1, 9):
        assert longest(held, step, "model.") <= 0.4 * (1 + 1e-6)
        assert longest(free, step, "model.") > 0.4
    assert longest(held, 8, "adapters.") > 0.4
    biases = weights_after(held, 8)
    assert any(value.ndim == 1 and value.abs().max() > 0 for value in biases.values())


def test_losses_are_those_of_the_whole_batch_for_any_micro_batch(tmp_path: Path) -> None:
    # Without dropout and batch normalisation the first step's loss is the batch's.
    plain = tiny.DROPOUT.model_copy(update={"dropout": 0.0})
    for micro in (16, 4):
        tiny.train(tmp_path / str(micro), tiny.spec(plain, micro_batch_size=micro))
    (whole, *_), (cut, *_) = steps(tmp_path / "16"), steps(tmp_path / "4")
    assert cut["loss"] == pytest.approx(whole["loss"], rel=1e-6)
    terms = [whole[f"terms/{name}"] for name in ("near", "soft_targets", "task")]
    weighted = sum(w * t for w, t in zip((0.5, 0.9, 0.1), terms, strict=True))
    assert whole["loss"] == pytest.approx(weighted, rel=1e-6)
    assert whole["samples"] == cut["samples"] == 16


def test_logged_learning_rates_are_those_of_the_schedule(tmp_path: Path) -> None:
    tiny.train(tmp_path / "stage", tiny.spec(lr_schedule={"kind": "step", "milestones": [1]}))
    rates = [values["learning_rate"] for values in steps(tmp_path / "stage")]
    assert rates == pytest.approx([0.05] * 4 + [0.005] * 4)


def test_without_a_validation_part_there_are_no_validation_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tiny.DATA.model_copy(update={"validation": "none"})
    monkeypatch.setattr(tiny, "DATA", data)
    events = tiny.train(tmp_path / "stage", tiny.spec())
    reports = [event for event in events if isinstance(event, EpochReport)]
    assert [(each.accuracy, each.nll) for each in reports] == [(None, None)] * 2
    assert [kind for kind, _, _ in tiny.measured(tmp_path / "stage")] == ["step"] * 8
    curve = tiny.outcome(tmp_path / "stage").curve
    assert [(point.accuracy, point.loss is None) for point in curve] == [(None, False)] * 2


def test_progress_is_read_from_a_manifest_with_keys_of_another_version() -> None:
    stored = {"step": 5, "skipped": 1, "segments": [[1, 90], [2, 45]], "of_another_version": [0.5]}
    assert Progress.from_json(stored) == Progress(5, 1, 0, ((1, 90), (2, 45)), ())
