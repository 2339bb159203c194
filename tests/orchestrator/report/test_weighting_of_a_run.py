"""Claims about the lesson in the report of a real run, and in what MLflow was told of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import running

TEACHERS = ("wide", "deep")


def test_a_run_tells_what_each_term_said_in_each_epoch(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    told = running.undisturbed(tmp_path_factory).object
    assert told["listening"] is None, "uniform: all count alike"
    assert list(told["terms"]) == ["near", "soft_targets", "task"]
    for term in told["terms"].values():
        assert len(term["values"]) == len(term["gradients"]) == len(term["weights"]) == 3
        assert all(value > 0 for value in (*term["values"], *term["gradients"]))


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> running.Finished:
    """The small recipe's student taught by the teacher that is least sure, on noisy answers."""
    done = running.undisturbed(tmp_path_factory)
    home = done.copied(tmp_path_factory.mktemp("heard"), without=["student"])
    said = ("ensemble.weighting=max_entropy", "ensemble.noise={probability: 1.0, sigma: 0.2}")
    return running.finished(done.folder, home, *said)


def test_a_run_tells_who_was_listened_to_and_for_which_class(heard: running.Finished) -> None:
    told = heard.object["listening"]
    assert (told["rule"], told["epochs"]) == ("max_entropy", [1, 2, 3])
    assert told["seen"], "both teachers were trained on all samples"
    assert not told["judged_without"]
    assert list(told["weights"]) == list(TEACHERS)
    for wide, deep in zip(*told["weights"].values(), strict=True):
        assert wide + deep == pytest.approx(1, abs=1e-6)
    assert [len(told["by_class"][name]) for name in TEACHERS] == [10, 10]
    assert all(0 < share <= 1 for share in told["changed"])


def test_its_page_shows_it_and_says_what_noise_there_was(heard: running.Finished) -> None:
    page = Path(heard.object["artifacts"]["report.md"]).read_text()
    for part in ("Who was listened to (rule max\\_entropy", "(who_was_listened_to.png)",
                 "(terms.png)", "the logits of 100 % of the samples"):  # fmt: skip
        assert part in page


def test_mlflow_has_the_weights_of_each_epoch_under_their_own_names(
    heard: running.Finished,
) -> None:
    told = running.metrics(heard.home, heard.digests()["student"])
    for name in TEACHERS:
        at = sorted(step for key, step in told if key == f"weights/{name}")
        assert len(at) == 3
        assert [told[f"weights/{name}", step] for step in at] == [
            [share] for share in heard.object["listening"]["weights"][name]
        ]
    keys = {key for key, _ in told}
    assert {"rule/changed", "rule/renamed", "weights/wide/0", "gradient/near"} <= keys
    assert not any(key.startswith("validation/weights") for key in keys)
