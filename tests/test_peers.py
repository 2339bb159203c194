"""The comparison with peers: step times, results over rounds, equal work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn
from torch.nn import functional

import stillhouse
from benchmarks.throughput_comparison.our_runs import RUNS, Workload, _rates, delete_answers, recipe
from benchmarks.throughput_comparison.results import (
    REFERENCE,
    Comparison,
    goals,
    inferences,
    table,
    untaught_of,
)
from benchmarks.throughput_comparison.setting import TEMPERATURE, soft_loss, softened
from benchmarks.throughput_comparison.step_meter import Meter, TimeIsUp
from students.storage.step_log import Row


@pytest.mark.parametrize("name", RUNS)
def test_each_of_our_runs_is_a_recipe_that_check_accepts(name: str, tmp_path: Path) -> None:
    work = Workload(root=tmp_path, home=tmp_path / "home", fraction=0.1, epochs=2)
    path = tmp_path / "peers.yaml"
    path.write_text(yaml.safe_dump(recipe(RUNS[name], work, seed=3)))
    read = stillhouse.load_recipe(path).recipe
    assert len(read.teachers) == RUNS[name].teachers
    assert (read.ensemble.bank == "none") == (RUNS[name].bank == "none")
    assert read.student.train.precision == RUNS[name].precision
    assert read.student.train.batch_size == 128


def test_deleting_answers_keeps_the_teachers_inference_config(tmp_path: Path) -> None:
    shelf = tmp_path / "bank" / "abc"
    (shelf / "view-0").mkdir(parents=True)
    (shelf / "view-0" / "logits.sealed").write_bytes(b"1")
    (shelf / "inference.json").write_text("{}")
    delete_answers(tmp_path)
    assert [path.name for path in shelf.iterdir()] == ["inference.json"]


def test_a_run_ends_when_its_time_is_up_and_warm_up_steps_do_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter([10.0, 12.0, 12.5, 13.0, 14.0, 15.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    meter = Meter(warm_up=2, seconds=1.5)
    meter.attach(optimizer)
    with pytest.raises(TimeIsUp):
        for _ in range(6):
            optimizer.step()
    assert meter.steps == 3
    assert meter.images_per_second == pytest.approx(3 * 128 / 2.0)
    assert meter.milliseconds == pytest.approx(500)


def test_time_between_epochs_is_not_counted() -> None:
    values = {"wait_seconds": 0.02}
    ends = [0, 100, 200, 300, 9_000, 9_100, 9_200]
    kinds = ["step", "step", "step", "step", "epoch", "step", "step"]
    steps = [0, 1, 2, 3, 3, 4, 5]
    rows = [Row(k, s, t, values) for k, s, t in zip(kinds, steps, ends, strict=True)]  # type: ignore[arg-type]
    found = _rates(rows, warm_up=2)
    assert found["steps"] == 3
    assert found["milliseconds"] == pytest.approx(100)
    assert found["images_per_second"] == pytest.approx(1280)
    assert found["waited"] == pytest.approx(0.2)


def rounds() -> Comparison:
    comparison = Comparison()
    for rate in (100.0, 200.0):  # the machine is twice as fast in the second round
        for name, factor in ((REFERENCE, 1), ("untaught, fp32", 10), ("filled, fp32", 9.6)):
            speed = rate * factor
            figures = {"images_per_second": speed, "milliseconds": 128e3 / speed}
            comparison.add(name, figures)
    return comparison


def test_peers_are_compared_within_a_round() -> None:
    assert rounds().ratios("filled, fp32", REFERENCE) == pytest.approx([9.6, 9.6])
    by_words = {goal.name: goal for goal in goals(rounds(), stored=1.04)}
    assert by_words["filled (fp32), relative to our untaught student"].reached
    assert not by_words["filled (fp32), relative to TextBrewer, 3 teachers"].reached
    assert by_words["sealed bytes, relative to raw fp16 logits"].reached
    assert "not measured" in by_words["filling (bf16), relative to TextBrewer, 3 teachers"].line()


def test_untaught_references_are_ours_or_the_loop_by_hand() -> None:
    assert untaught_of("filling, bf16") == "untaught, bf16"
    assert untaught_of("ModelOpt, 1 teacher") == untaught_of(REFERENCE) == "untaught, by hand"


def test_a_peer_that_failed_is_a_line_with_the_reason() -> None:
    comparison = rounds()
    comparison.add("ModelOpt, 1 teacher", None)
    comparison.failures["ModelOpt, 1 teacher"] = "exit 1: no such module"
    lines = {line[:19].strip(): line for line in table(comparison)}
    assert "no such module" in lines["ModelOpt, 1 teacher"]
    assert "9.60" in lines["filled, fp32"] and "96.0%" in lines["filled, fp32"]


def test_the_speedup_of_an_inference_config_is_below_the_table() -> None:
    comparison, of = Comparison(), {"inference": "bf16", "plain_rate": 500.0, "chosen_rate": 1250.0}
    figures = {"teachers": {"resnet56": {**of, "kl": 6e-5, "same_argmax": 1.0}}}
    comparison.add("filling, fp32", figures)
    (line,) = inferences(comparison, "filling, fp32")
    assert "bf16: 1250 images/s alone, 2.50 x plain fp32; KL 6.0e-05" in line
    assert list(inferences(comparison, "filled, fp32")) == []


@dataclass
class Logits:
    student: torch.Tensor
    teacher: torch.Tensor

    def gradient(self, loss: torch.Tensor) -> torch.Tensor:
        (found,) = torch.autograd.grad(loss, self.student)
        return found


@pytest.fixture
def logits() -> Logits:
    torch.manual_seed(0)
    return Logits(torch.randn(16, 10, requires_grad=True), 3 * torch.randn(16, 10))


def test_the_loss_of_the_loop_by_hand_is_ours(logits: Logits) -> None:
    from students.objectives.soft_targets import soft_target_loss

    by_hand = soft_loss(logits.student, softened(logits.teacher))
    ours = soft_target_loss(logits.student, softened(logits.teacher), temperature=TEMPERATURE)
    assert torch.allclose(by_hand, ours, atol=1e-6)


def test_textbrewers_loss_has_our_gradient_at_its_weight(logits: Logits) -> None:
    cross_entropy = functional.cross_entropy(logits.student / TEMPERATURE, softened(logits.teacher))
    ours = logits.gradient(soft_loss(logits.student, softened(logits.teacher)))
    theirs = logits.gradient(cross_entropy * TEMPERATURE**2)
    assert torch.allclose(ours, theirs, atol=1e-6)
