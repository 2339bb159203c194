"""A teacher beside its transfer set answers questions about samples from its own views."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch

from students.errors import WeightsError
from students.knowledge import Question, Tap
from students.models.build import build_model
from students.models.config import Weights
from students.models.in_a_row import PlainCnn
from students.transfer_sets.catalog import load_transfer_set
from students.transfer_sets.config import Digits, Shift
from teachers.bank.columns import Column
from teachers.bank.shelf import Shelf, prepare_shelf
from teachers.errors import InvalidAnswer
from teachers.inference.inference_config import plain
from teachers.serving.host import TeacherHost, TeacherSpec

MODEL = PlainCnn(channels=(4, 8))
SET = Digits(augment=Shift(pixels=2))


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> TeacherSpec:
    folder = tmp_path_factory.mktemp("host")
    model = build_model(MODEL, input_shape=(1, 8, 8), classes=10, seed=3, folder=folder)
    safetensors.torch.save_file(model.state_dict(), folder / "model.safetensors")
    return TeacherSpec(
        "wide",
        MODEL,
        Weights(path="model.safetensors"),
        SET,
        folder,
        folder,
        (Tap("stage1.conv1"),),
    )


@pytest.fixture(scope="module")
def host(spec: TeacherSpec) -> TeacherHost:
    return TeacherHost(spec)


def asked(view: int, *ids: int) -> Question:
    return Question(view, np.array(ids, np.int64))


def test_answers_are_those_of_the_students_own_views(host: TeacherHost, spec: TeacherSpec) -> None:
    data = load_transfer_set(SET, folder=spec.folder, cache=spec.cache)
    questions = [asked(0, 5, 6, 7), asked(3, 5, 1346), asked(0, 5)]
    answers = list(host.answers(questions))
    for question, answer in zip(questions, answers, strict=True):
        pictures = data.batch(question.sample_ids, question.view).inputs
        alone = host.teacher.answer(pictures)
        assert np.array_equal(answer.logits, alone.logits)
        for name, values in answer.taps.items():
            assert np.array_equal(values, alone.taps[name])
    assert np.array_equal(answers[0].logits[0], answers[2].logits[0])
    assert not np.array_equal(answers[0].logits[0], answers[1].logits[0]), "another view"


def test_a_teacher_is_refused_the_weights_of_another_architecture(spec: TeacherSpec) -> None:
    other = {**vars(spec), "model": PlainCnn(channels=(4, 9))}
    with pytest.raises(WeightsError, match=r"teachers\.wide\.weights"):
        TeacherHost(TeacherSpec(**other))


def test_an_answer_that_is_no_number_names_the_teacher_and_the_sample(host: TeacherHost) -> None:
    bias = list(host.teacher.network.parameters())[-1]
    before = bias.clone()
    bias.fill_(float("nan"))
    try:
        with pytest.raises(InvalidAnswer) as caught:
            next(host.answers([asked(1, 8)]))
    finally:
        bias.copy_(before)
    assert str(caught.value) == (
        "teacher 'wide' answered with values that are not numbers (NaN), first to sample 8; check "
        "its weights"
    )
    assert caught.value.path == "teachers.wide"


def test_a_reloaded_teacher_answers_by_its_files(host: TeacherHost) -> None:
    before = next(host.answers([asked(0, 1)]))
    list(host.teacher.network.parameters())[-1].fill_(float("nan"))
    host.reload()
    after = next(host.answers([asked(0, 1)]))
    assert np.array_equal(before.logits, after.logits)


def test_a_teacher_adopts_a_config_and_stores_its_answers_on_a_shelf(
    spec: TeacherSpec, tmp_path: Path
) -> None:
    folder = tmp_path / "bank" / "ab"
    prepare_shelf(folder, {"format": 1})
    columns = (Column("logits", (10,)), Column("tap.stage1.conv1", (4, 8, 8)))
    shelf, inference = (
        Shelf(folder, "cd" * 32, 1797, 10**9, columns),
        replace(plain(1), forward_batch=8),
    )
    host, question = TeacherHost(spec), asked(3, *range(20))
    plainly = host.probe(question.sample_ids, 3)
    host.adopt(inference, shelf)
    [answer], teacher = list(host.answers([question])), host.teacher
    assert (answer.computed, host.teacher.inference) == (20, inference)
    host.adopt(inference, shelf)
    assert host.teacher is teacher, "it is run so already"
    [again] = host.answers([question])
    assert again.computed == 0
    assert np.array_equal(again.logits, answer.logits)
    assert np.array_equal(again.taps["stage1.conv1"], answer.taps["stage1.conv1"])
    assert np.allclose(answer.logits, plainly.logits, atol=1e-2)
    assert host.probe(question.sample_ids, 3).computed == 0, "a probe goes past the bank"


def test_of_many_classes_only_the_largest_logits_are_exact(spec: TeacherSpec) -> None:
    whole, [some] = TeacherHost(spec), TeacherHost(replace(spec, top_k=3)).answers([asked(0, 7)])
    [every] = whole.answers([asked(0, 7)])
    largest = np.argsort(every.logits[0])[-3:]
    assert np.array_equal(some.logits[0, largest], every.logits[0, largest])
    assert len(set(some.logits[0].tolist())) == 3 + 1, "and the mean of the others"
