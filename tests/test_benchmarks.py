"""What the benchmarks compute from their measurements, and where they run."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import gpu, views_count
from benchmarks.mnist_hinton import PAPER, Errors
from benchmarks.mnist_hinton import lines as hinton_lines
from benchmarks.seeds import in_one_process
from benchmarks.throughput import Turn
from benchmarks.throughput import lines as throughput_lines
from tests.orchestrator.report_samples import report, teaching

RECIPES = Path(__file__).parents[1] / "recipes"


def test_seeds_run_in_one_process_on_torch_whatever_the_recipe() -> None:
    overrides = ["cluster.mode=local", "student.engine.kind=deepspeed"]
    recipe = in_one_process(RECIPES / "digits.yaml", overrides).recipe
    assert recipe.cluster.mode == "in_process"
    assert recipe.student.engine.kind == "torch"
    assert {teacher.engine.kind for teacher in recipe.teachers.values()} == {"torch"}


def test_loaded_teachers_get_no_engine_since_they_are_not_trained() -> None:
    recipe = in_one_process(RECIPES / "cifar10_resnets.yaml", []).recipe
    assert recipe.student.engine.kind == "torch"
    assert {teacher.engine.kind for teacher in recipe.teachers.values()} == {"deepspeed"}


def test_the_papers_student_closed_91_percent_of_its_gap() -> None:
    assert round(100 * PAPER.closed) == 91
    found = Errors(teacher=[70], untaught=[150, 160], taught=[90, 100])
    assert found.closed == pytest.approx((155 - 95) / (155 - 70))
    table = "\n".join(hinton_lines(found))
    assert "155.0 (150, 160)" in table and "146" in table and "71%" in table


def test_the_residual_is_the_part_of_a_taught_step_that_waiting_does_not_explain() -> None:
    turns = {
        "untaught": [Turn(0.100), Turn(0.200)],
        "taught, local": [Turn(0.160, waited=0.050), Turn(0.270, waited=0.050)],
    }
    *_, explained = throughput_lines(turns)
    # Round by round: 160 - 50 - 100 = 10 ms, and 270 - 50 - 200 = 20 ms.
    assert "residual of a round +15.0 ms" in explained
    assert "rounds +10.0 to +20.0" in explained


def test_views_are_compared_with_all_of_them_over_the_same_seeds(tmp_path: Path) -> None:
    comparison = views_count.ViewsComparison(
        tmp_path, ("2", "all"), 20, ("transfer_set.fraction=0.1",), tmp_path / "home"
    )
    found = {
        "2": [report(student=0.90, teaching=teaching()), report(student=0.91)],
        "all": [report(student=0.91), report(student=0.92)],
    }
    _, two, every, computed = views_count.lines(comparison, found)
    assert "-1.00 (-1.00 to -1.00)" in two
    assert f"{2 * 4500 * 3:,d}" in two
    assert f"{20 * 4500 * 3:,d}" in every
    assert computed.endswith("750 answers")


def test_the_comparison_on_a_gpu_shows_rates_shares_and_inference_configs() -> None:
    modes = {
        (place, mode): [report(teaching=teaching())] for place in gpu.PLACES for mode in gpu.MODES
    }
    table = list(gpu.lines(modes))
    assert len(table) == 1 + 6 + 2 * 3
    assert all(part in table[1] for part in ("live", "1,500", "93.8%", "4.0%"))
    assert "bf16, channels-last, 128 at a time, 1 thread: 2.60 times plain fp32" in table[7]
