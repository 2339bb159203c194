"""Claims about teacher weights and loss terms in the report of a real run, and in MLflow."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import running

TEACHERS = ("wide", "deep")


def test_a_run_records_each_term_in_each_epoch(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    report = running.undisturbed(tmp_path_factory).object
    assert report["teacher_weights"] is None, "uniform: they do not depend on the sample"
    assert list(report["terms"]) == ["near", "soft_targets", "task"]
    for term in report["terms"].values():
        assert len(term["values"]) == len(term["gradients"]) == len(term["weights"]) == 3
        assert all(value > 0 for value in (*term["values"], *term["gradients"]))


@pytest.fixture(scope="module")
def weighted(tmp_path_factory: pytest.TempPathFactory) -> running.Finished:
    """The small recipe's student, taught by the teacher of highest entropy, on noisy answers."""
    done = running.undisturbed(tmp_path_factory)
    home = done.copied(tmp_path_factory.mktemp("weighted"), without=["student"])
    given = ("ensemble.weighting=max_entropy", "ensemble.noise={probability: 1.0, sigma: 0.2}")
    return running.finished(done.folder, home, *given)


def test_a_run_records_the_weight_of_each_teacher_by_class(weighted: running.Finished) -> None:
    found = weighted.object["teacher_weights"]
    assert (found["rule"], found["epochs"]) == ("max_entropy", [1, 2, 3])
    assert found["samples_seen"], "both teachers were trained on all samples"
    assert found["training_only"] == ""
    assert list(found["weights"]) == list(TEACHERS)
    for wide, deep in zip(*found["weights"].values(), strict=True):
        assert wide + deep == pytest.approx(1, abs=1e-6)
    assert [len(found["by_class"][name]) for name in TEACHERS] == [10, 10]
    assert all(0 < share <= 1 for share in found["target_changed"])


def test_its_page_shows_the_weights_and_what_noise_there_was(weighted: running.Finished) -> None:
    page = Path(weighted.object["artifacts"]["report.md"]).read_text()
    for part in ("Teacher weights by class and epoch (weighting max\\_entropy",
                 "(teacher_weights.png)", "(loss_terms.png)",
                 "the logits of 100 % of the samples"):  # fmt: skip
        assert part in page


def test_mlflow_has_the_weights_of_each_epoch_under_their_own_names(
    weighted: running.Finished,
) -> None:
    metrics = running.metrics(weighted.home, weighted.digests()["student"])
    for name in TEACHERS:
        at = sorted(step for key, step in metrics if key == f"weights/{name}")
        assert len(at) == 3
        assert [metrics[f"weights/{name}", step] for step in at] == [
            [share] for share in weighted.object["teacher_weights"]["weights"][name]
        ]
    keys = {key for key, _ in metrics}
    assert {"rule/changed", "rule/renamed", "weights/wide/0", "gradient/near"} <= keys
    assert not any(key.startswith("validation/weights") for key in keys)
