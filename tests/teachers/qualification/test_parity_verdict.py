"""What is wrong with a real teacher is named in its verdict; a good one passes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from students.models.build import build_model
from students.models.config import Preprocessing, Weights
from students.models.network import Network, Preprocess
from students.models.residual import ResNetCifar
from students.models.weights import load_weights
from students.transfer_sets.catalog import load_transfer_set
from students.transfer_sets.config import Digits
from teachers.inference.inference_config import plain
from teachers.qualification.parity_verdict import (
    Probe,
    assess,
    choose_probe,
    compared_again,
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


def probe_of(labels: Tensor | None, held_out: int = 0) -> Probe:
    return Probe(np.arange(0 if labels is None else len(labels)), labels, held_out)


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
        return assess(
            "teachers.deep", answers, probe_of(labels), better, inference=PLAIN, temperature=4.0
        )

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

    [problem] = verdict_under(RIGHT, forget).sentences
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
    found = assess("teachers.deep", other, probe_of(None), None, inference=PLAIN, temperature=4.0)
    [problem] = found.problems
    assert "`teachers.deep` gives the same samples other answers in another batch" in problem
    assert found.unfaithful == ""
    assert str(found) == "failed: not deterministic"


def test_fidelity_is_compared_again_at_another_temperature() -> None:
    own = 3 * torch.randn(400, 10, generator=torch.Generator().manual_seed(0)).double()
    answers = ProbeAnswers(own * 1.1, own, deterministic=True)
    warm = assess("teachers.deep", answers, probe_of(None), None, inference=PLAIN, temperature=20.0)
    assert warm.passes
    cold = compared_again("teachers.deep", warm, answers, 1.0)
    assert "set `teachers.deep.precision` to fp32" in cold.unfaithful
    assert compared_again("teachers.deep", cold, answers, 20.0) == warm


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


def test_a_probe_of_few_held_out_samples_is_filled_with_those_of_the_student(
    tmp_path: Path,
) -> None:
    held = load_transfer_set(Digits(validation=6), folder=tmp_path, cache=tmp_path)
    probe = choose_probe(held, macs=1000)
    assert probe.held_out == 6 and len(probe.sample_ids) == 512
    assert np.isin(probe.sample_ids[:6], held.validation_ids).all()
    assert np.isin(probe.sample_ids[6:], held.student_ids).all()
    bare = load_transfer_set(Digits(validation=6, labelled=0), folder=tmp_path, cache=tmp_path)
    assert len(choose_probe(bare, macs=1000).sample_ids) == 6


def judged(
    answers: Tensor, labels: Tensor, classes: int, held_out: int = 0, *, loaded: bool = True
) -> Verdict:
    logits = torch.nn.functional.one_hot(answers, classes).double() * 9 - 3
    given = ProbeAnswers(logits, logits, deterministic=True)
    probe = probe_of(labels, held_out)
    return assess(
        "teachers.deep", given, probe, None, inference=PLAIN, temperature=4.0, loaded=loaded
    )


@pytest.mark.parametrize(
    ("counts", "wrong"),
    [((3, 3), 0), ((20, 20), 0), ((38, 2), 0), ((57, 3), 1), ((95, 5), 2), ((7, 7), 1), ((4,), 0)],
)
def test_a_right_teacher_teaches_however_few_samples_there_are(
    counts: tuple[int, ...], wrong: int
) -> None:
    """At worst with a doubt; the answers that are wrong are of the last class."""
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    answers = labels.clone()
    answers[len(labels) - wrong :] = 0
    found = judged(answers, labels, max(2, len(counts)))
    assert found.passes
    assert all("too few, or too many of one class, to tell" in doubt for doubt in found.doubts)


def test_one_answer_to_everything_or_guesses_do_not_pass_where_samples_are_enough() -> None:
    unequal = torch.repeat_interleave(torch.arange(2), torch.tensor([95, 5]))
    assert not judged(torch.zeros_like(unequal), unequal, 2).passes
    labels = torch.arange(40) % 2
    [problem] = judged((torch.arange(40) // 2) % 2, labels, 2).sentences
    assert "give it other weights, or set" in problem and "train it longer" not in problem
    [problem] = judged((torch.arange(40) // 2) % 2, labels, 2, loaded=False).sentences
    assert "; train it longer, or set `teachers.deep.gate` to warn" in problem


def test_an_anchor_may_be_near_chance_but_not_unfaithful() -> None:
    labels = torch.arange(40) % 2
    found = judged((torch.arange(40) // 2) % 2, labels, 2, loaded=False)
    assert not found.passes
    assert str(found) == "failed: near chance"
    assert found.of_anchor().passes
    assert str(found.of_anchor()) == "passed"
    assert not replace(found, unfaithful="it is not").of_anchor().passes
    assert not replace(found, problems=("it is none",)).of_anchor().passes


def test_what_was_learned_by_heart_does_not_hide_that_the_rest_is_guessed() -> None:
    labels = torch.arange(400) % 4
    answers = labels.clone()
    answers[:60] = (torch.arange(60) // 4) % 4
    assert judged(answers, labels, 4).passes, "were none held out"
    assert not judged(answers, labels, 4, held_out=60).passes
    assert judged(answers, labels, 4, held_out=4).passes, "four say nothing"


@pytest.mark.parametrize(("classes", "each"), [(2, 3), (2, 10), (10, 6), (100, 5)])
def test_two_swapped_classes_are_named_from_few_samples_of_them(classes: int, each: int) -> None:
    labels = torch.arange(classes).repeat(each)
    answers = torch.where(labels < 2, 1 - labels, labels)
    [problem] = judged(answers, labels, classes).sentences
    assert "where its class 0 is 1, 1 is 0; set `teachers.deep.classes` to [1, 0" in problem
    assert not judged(answers, labels, classes, loaded=False).plausibility.order


def test_a_loaded_teacher_whose_logits_hardly_differ_is_doubted() -> None:
    labels = torch.arange(100) % 10
    for scale, doubted in ((1.0, True), (10.0, False)):
        cosines = torch.nn.functional.one_hot(labels, 10).double() * 1.2 * scale - 0.2
        answers = ProbeAnswers(cosines, cosines, deterministic=True)
        found = assess(
            "teachers.deep", answers, probe_of(labels), None, inference=PLAIN, temperature=4.0
        )
        assert found.passes
        assert [("its logits are so near each other" in each) for each in found.doubts] == (
            [True] if doubted else []
        )


def test_a_verdict_and_a_tuning_are_read_as_they_were_written(tmp_path: Path) -> None:
    own = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(50) % 3
    answers = ProbeAnswers(own, own, deterministic=True)
    verdict = assess(
        "teachers.deep", answers, probe_of(labels), None, inference=PLAIN, temperature=4.0
    )
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


class RedIsOne(torch.nn.Module):
    def forward(self, pictures: Tensor) -> Tensor:
        red_over_blue = (pictures[:, 0] - pictures[:, 2]).mean((1, 2))
        return torch.stack([-red_over_blue, red_over_blue], 1)


def test_a_reading_that_answers_the_frequent_class_to_everything_is_not_better() -> None:
    red = torch.tensor([200, 40, 40], dtype=torch.uint8)[None, :, None, None].expand(100, 3, 4, 4)
    labels = torch.tensor([0] * 97 + [1] * 3)
    config = Preprocessing(mean=(0.5,) * 3, std=(0.25,) * 3)
    network = Network(Preprocess(config, mean=OWN_MEAN, std=OWN_STD), RedIsOne()).eval()
    better = find_better_preprocessing(
        network, config, red, labels,
        mean=OWN_MEAN, std=OWN_STD, plain=network(red), threads=1,
    )  # fmt: skip
    assert better is None
