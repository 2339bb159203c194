"""What is wrong with a real teacher is named in its verdict; a good one passes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from students.models.build import build_model
from students.models.config import Preprocessing, Weights
from students.models.network import Network, Preprocess
from students.models.residual import ResNetCifar
from students.models.weights import load_weights
from students.transfer_sets.catalog import load_transfer_set
from students.transfer_sets.config import Digits
from teachers.inference.inference_config import plain
from teachers.qualification.parity_verdict import (
    assess,
    at_temperature,
    choose_probe,
)
from teachers.qualification.preprocessing_variants import (
    find_better_preprocessing,
    format_settings,
    preprocessing_variants,
)
from teachers.qualification.records import (
    RECORD_FILES,
    Candidate,
    ProbeAnswers,
    Tuning,
    Verdict,
    read_probe_answers,
    read_record,
    write_probe_answers,
    write_record,
)
from tests.students.models.test_pretrained import FILES, MEAN, STD, first_test_samples

OWN_MEAN, OWN_STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
RIGHT = Preprocessing(mean=MEAN, std=STD)
PLAIN = plain(1)


@pytest.fixture(scope="module")
def verdict_under(data_root: Path):  # type: ignore[no-untyped-def]
    """The verdict on the published ResNet-20 under a preprocessing, after a change to it."""
    pictures, labels = first_test_samples(data_root, 128)

    def verdict(config: Preprocessing, change=lambda model: None) -> Verdict:  # type: ignore[no-untyped-def]
        kind = ResNetCifar(depth=20, preprocessing=config)
        model = build_model(kind, input_shape=(3, 32, 32), classes=10, seed=0, folder=data_root)
        weights = Weights(path=f"weights/{FILES[20]}")
        load_weights(model, weights, path_in_recipe="x", folder=data_root)
        change(model)
        first = Preprocess(config, mean=OWN_MEAN, std=OWN_STD)
        network = Network(first, model).eval()
        with torch.inference_mode():
            own = network(pictures)
        better = find_better_preprocessing(
            network, config, pictures, labels,
            mean=OWN_MEAN, std=OWN_STD, plain=own, threads=1,
        )  # fmt: skip
        answers = ProbeAnswers(own, own, deterministic=True)
        return assess("deep", answers, labels, better, inference=PLAIN, temperature=4.0)

    return verdict


def test_published_weights_pass(verdict_under) -> None:  # type: ignore[no-untyped-def]
    found = verdict_under(RIGHT)
    assert found.passes
    assert found.plausibility.accuracy > 0.85
    assert str(found) == "passed"


def test_classes_in_another_order_are_named(verdict_under) -> None:  # type: ignore[no-untyped-def]
    def turned(model) -> None:  # type: ignore[no-untyped-def]
        for tensor in (model.linear.weight, model.linear.bias):
            tensor.data = tensor.data.roll(3, 0)

    found = verdict_under(RIGHT, turned)
    [problem] = found.problems
    assert found.plausibility.order == (7, 8, 9, 0, 1, 2, 3, 4, 5, 6)
    assert "`teachers.deep` has its classes in another order" in problem
    assert "where its class 0 is 7, 1 is 8" in problem


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (Preprocessing(mean=(0.0,) * 3, std=(1 / 255,) * 3), "mean"),
        (Preprocessing(mean=(0.0,) * 3, std=(1.0,) * 3), "mean"),
    ],
    ids=["0 to 255", "0 to 1"],
)
def test_another_normalisation_is_named(verdict_under, wrong: Preprocessing, named: str) -> None:  # type: ignore[no-untyped-def]
    found = verdict_under(wrong)
    [problem] = found.problems
    assert "`teachers.deep.model.preprocessing` does not fit the weights" in problem
    assert named in problem
    assert "channels: rgb" in problem
    assert not found.passes


def test_a_normalisation_that_is_nearly_right_passes(verdict_under) -> None:  # type: ignore[no-untyped-def]
    assert verdict_under(Preprocessing()).passes


def test_random_weights_are_near_chance(verdict_under) -> None:  # type: ignore[no-untyped-def]
    def forget(model) -> None:  # type: ignore[no-untyped-def]
        torch.manual_seed(0)
        for each in model.modules():
            if hasattr(each, "reset_parameters"):
                each.reset_parameters()

    [problem] = verdict_under(RIGHT, forget).problems
    assert "where chance alone gives" in problem
    assert "`teachers.deep.gate` to warn" in problem


def test_every_usual_preprocessing_but_the_own_is_tried() -> None:
    names = preprocessing_variants(RIGHT, mean=OWN_MEAN, std=OWN_STD)
    assert "ImageNet's mean and std" not in names
    assert {"pictures from -1 to 1", "pictures from 0 to 255", "the channels as bgr"} <= set(names)
    other = names["the channels as bgr"]
    assert (other.mean, other.channels) == (MEAN[::-1], "bgr")
    assert "mean: [0.406, 0.456, 0.485]" in format_settings(other)
    grey = preprocessing_variants(Preprocessing(), mean=(0.3,), std=(0.2,))
    assert not any("channels" in name or "own" in name for name in grey)


def test_noise_is_named_and_not_called_unfaithful() -> None:
    own = torch.randn(100, 10, generator=torch.Generator().manual_seed(0))
    other = ProbeAnswers(own.roll(1, 1), own, deterministic=False)
    found = assess("deep", other, None, None, inference=PLAIN, temperature=4.0)
    [problem] = found.problems
    assert "`teachers.deep` gives the same samples other answers in another batch" in problem
    assert found.unfaithful == ""
    assert str(found) == "failed: not deterministic"


def test_fidelity_is_compared_again_at_another_temperature() -> None:
    own = 3 * torch.randn(400, 10, generator=torch.Generator().manual_seed(0)).double()
    answers = ProbeAnswers(own * 1.1, own, deterministic=True)
    warm = assess("deep", answers, None, None, inference=PLAIN, temperature=20.0)
    assert warm.passes
    cold = at_temperature("deep", warm, answers, 1.0)
    assert "set `teachers.deep.precision` to fp32" in cold.unfaithful
    assert at_temperature("deep", cold, answers, 20.0) == warm


def test_the_probe_is_held_out_and_labelled_where_it_can_be(tmp_path: Path) -> None:
    held = load_transfer_set(Digits(), folder=tmp_path, cache=tmp_path)
    probe = choose_probe(held, macs=1000)
    assert np.isin(probe.sample_ids, held.validation_ids).all()
    assert probe.labels is not None and len(probe.labels) == len(probe.sample_ids)
    assert len(choose_probe(held, macs=10**12).sample_ids) == 64
    shown = load_transfer_set(Digits(validation="none"), folder=tmp_path, cache=tmp_path)
    assert choose_probe(shown, macs=1000).labels is not None
    bare = load_transfer_set(Digits(validation="none", labelled=0), folder=tmp_path, cache=tmp_path)
    assert choose_probe(bare, macs=1000).labels is None


def test_a_verdict_and_a_tuning_are_read_as_they_were_written(tmp_path: Path) -> None:
    own = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(50) % 3
    answers = ProbeAnswers(own, own, deterministic=True)
    verdict = assess("deep", answers, labels, None, inference=PLAIN, temperature=4.0)
    assert read_record(tmp_path, Verdict) is None
    write_probe_answers(tmp_path, PLAIN, answers)
    write_record(tmp_path, verdict)
    assert read_record(tmp_path, Verdict) == verdict
    kept = read_probe_answers(tmp_path, PLAIN)
    assert kept is not None and torch.equal(kept.given, own)
    assert read_probe_answers(tmp_path, plain(2)) is None
    tuning = Tuning(PLAIN, 10.0, 20.0, (Candidate(PLAIN, 10.0, 1e-5, 1.0, "slower"),), "why")
    write_record(tmp_path, tuning)
    assert read_record(tmp_path, Tuning) == tuning
    assert tuning.gain == 2.0
    stored = json.loads((tmp_path / RECORD_FILES[Tuning]).read_text())["trials"][0]
    stored |= json.loads((tmp_path / RECORD_FILES[Verdict]).read_text())
    assert stored["manner"] == PLAIN.to_json(), "a key that homes have had from the beginning"
