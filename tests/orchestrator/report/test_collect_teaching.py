"""Claims about how a run's student was taught, from real runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import running


def test_a_run_records_inference_answers_and_speed(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    teaching = running.undisturbed(tmp_path_factory).object["teaching"]
    assert set(teaching["teachers"]) == {"wide", "deep"}
    for each in teaching["teachers"].values():
        assert "fp32" in each["inference"]
        assert each["verdict"].startswith("passed")
        assert each["read"] + each["asked"] == 3 * 256, "three epochs of four batches of 64"
    assert teaching["student"]["samples_per_second"] > 0
    assert 0 <= teaching["student"]["wait_share"] <= 1
    assert teaching["bytes"] > 0
    assert teaching["prediction"] is None


def test_a_measurement_before_the_run_is_in_its_report(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    from orchestrator.profiling.measure import measure
    from tests import small

    done = running.undisturbed(tmp_path_factory)
    home = done.copied(tmp_path, without=["student"])
    overrides = (*running.IN_PROCESS, running.EACH_STEP)
    measured = measure(
        small.loaded(tmp_path, *overrides), home=home, say=lambda _: None, seconds=0.01
    )
    predicted = running.finished(tmp_path, home).object["teaching"]["prediction"]
    assert predicted["seconds"] == measured.seconds
    assert predicted["samples_per_second"] == measured.stages[0].samples_per_second
    assert predicted["stages"] == {"student": measured.stages[0].seconds}
    assert predicted["bytes"] == (measured.bank and measured.bank.bytes)
