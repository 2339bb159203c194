"""A teacher beside its transfer set answers questions about samples from its own views."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch

from students.errors import WeightsError
from students.knowledge import Answer, Question, Tap
from students.models.build import build_model
from students.models.config import Weights
from students.models.in_a_row import PlainCnn
from students.transfer_sets.catalog import load_transfer_set
from students.transfer_sets.config import Digits, Shift
from teachers.bank.columns import Column
from teachers.bank.shelf import Shelf, prepare_shelf
from teachers.errors import InvalidAnswer
from teachers.inference.inference_config import InferenceConfig, plain
from teachers.inference.teacher import Teacher
from teachers.serving.answer_spec import AnswerSpec
from teachers.serving.host import TeacherHost, TeacherSpec
from tests.students import tiny

MODEL = PlainCnn(channels=(4, 8))
SET = Digits(augment=Shift(pixels=2))
PLAIN = AnswerSpec(plain(1), (Tap("stage1.conv1"),))
LOGITS, TOP = Column("logits", (10,)), Column("logits", (10,), 3)


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> TeacherSpec:
    folder = tmp_path_factory.mktemp("host")
    model = build_model(MODEL, input_shape=(1, 8, 8), classes=10, seed=3, folder=folder)
    safetensors.torch.save_file(model.state_dict(), folder / "model.safetensors")
    weights = Weights(path="model.safetensors")
    return TeacherSpec("wide", "teachers.wide", MODEL, weights, tiny.planned_data(SET, folder))


@pytest.fixture(scope="module")
def host(spec: TeacherSpec) -> TeacherHost:
    return TeacherHost(spec)


@pytest.fixture
def broken_weights(spec: TeacherSpec, tmp_path: Path) -> Path:
    """The teacher's weights with a bias that is not a number."""
    weights = safetensors.torch.load_file(spec.data.folder / "model.safetensors")
    weights["output.bias"].fill_(float("nan"))
    safetensors.torch.save_file(weights, tmp_path / "broken.safetensors")
    return tmp_path / "broken.safetensors"


def bits(answer: Answer) -> dict[str, bytes]:
    """The bytes of each column."""
    return {name: values.tobytes() for name, values in answer.columns.items()}


def asked(view: int, *ids: int) -> Question:
    return Question(view, np.array(ids, np.int64))


def test_answers_are_those_of_the_students_own_views(host: TeacherHost, spec: TeacherSpec) -> None:
    data = load_transfer_set(SET, folder=spec.data.folder, cache=spec.data.cache)
    teacher = Teacher(spec.load_network(data), inference=plain(1))
    questions = [asked(0, 5, 6, 7), asked(3, 5, 1346), asked(0, 5)]
    answers = list(host.answers(questions, PLAIN))
    for question, answer in zip(questions, answers, strict=True):
        pictures = data.batch(question.sample_ids, question.view).inputs
        alone = teacher.answer(pictures, PLAIN.taps)
        assert np.array_equal(answer.logits, alone.logits)
        for name, values in answer.taps.items():
            assert np.array_equal(values, alone.taps[name])
    assert np.array_equal(answers[0].logits[0], answers[2].logits[0])
    assert not np.array_equal(answers[0].logits[0], answers[1].logits[0]), "another view"


def test_a_teacher_is_refused_the_weights_of_another_architecture(spec: TeacherSpec) -> None:
    other = replace(spec, model=PlainCnn(channels=(4, 9)))
    with pytest.raises(WeightsError, match=r"teachers\.wide\.weights"):
        TeacherHost(other)


def test_an_answer_that_is_no_number_names_the_teacher_and_the_sample(
    spec: TeacherSpec, broken_weights: Path
) -> None:
    broken = TeacherHost(replace(spec, weights=Weights(path=str(broken_weights))))
    with pytest.raises(InvalidAnswer) as caught:
        next(broken.answers([asked(1, 8)], PLAIN))
    assert str(caught.value) == (
        "teacher 'wide' answered with values that are not numbers (NaN), first to sample 8; check "
        "its weights"
    )
    assert caught.value.path == "teachers.wide"


def test_a_reloaded_teacher_answers_by_its_files(spec: TeacherSpec, broken_weights: Path) -> None:
    host = TeacherHost(replace(spec, weights=Weights(path=str(broken_weights))))
    with pytest.raises(InvalidAnswer):
        next(host.answers([asked(0, 1)], PLAIN))
    shutil.copy(spec.data.folder / "model.safetensors", broken_weights)
    host.reload()
    [mended], [wanted] = (each.answers([asked(0, 1)], PLAIN) for each in (host, TeacherHost(spec)))
    assert np.array_equal(mended.logits, wanted.logits)


@pytest.fixture
def make_shelf(tmp_path: Path) -> Callable[..., Shelf]:
    def make(name: str, *columns: Column) -> Shelf:
        prepare_shelf(tmp_path / "bank" / name, {"format": 1})
        return Shelf(tmp_path / "bank" / name, name * 32, 1797, 10**9, columns)

    return make


MakeShelf = Callable[..., Shelf]
Read = Callable[[list[Iterator[Answer]]], list[list[Answer]]]


def test_answers_are_stored_on_the_shelf_and_in_the_way_that_is_asked(
    host: TeacherHost, make_shelf: MakeShelf
) -> None:
    shelf = make_shelf("ab", LOGITS, Column("tap.stage1.conv1", (4, 8, 8)))
    narrow = AnswerSpec(replace(plain(1), forward_batch=8), PLAIN.taps, shelf)
    question = asked(3, *range(20))
    host.prepare(narrow)
    [answer], [again] = (list(host.answers([question], narrow)) for _ in range(2))
    assert (answer.computed, again.computed) == (20, 0)
    assert bits(answer) == bits(again)
    plainly = host.probe(question.sample_ids, 3, PLAIN)
    assert np.allclose(answer.logits, plainly.logits, atol=1e-2)
    assert host.probe(question.sample_ids, 3, narrow).computed == 0, "a probe goes past the bank"


@pytest.fixture
def stages_questions(make_shelf: MakeShelf) -> list[tuple[AnswerSpec, list[Question]]]:
    """What stages ask that differ in all that they may, and their questions."""
    specs = [
        PLAIN,
        AnswerSpec(plain(1), (), make_shelf("ab", LOGITS)),
        AnswerSpec(plain(1), (Tap("stage1", "pool"),), make_shelf("cd", LOGITS)),
        AnswerSpec(plain(1), (), make_shelf("ef", TOP), top_k=3),
        AnswerSpec(plain(1), (Tap("stage1.conv1"), Tap("stage1"))),
        AnswerSpec(replace(plain(1, "bf16"), folded=True), (Tap("stage1.conv1"),)),
    ]
    made = []
    for n, answers in enumerate(specs):
        order = np.random.default_rng(n).permutation(60).reshape(6, 10)
        made.append((answers, [Question(n % 3, ids) for ids in order]))
    return made


def in_turn(streams: list[Iterator[Answer]]) -> list[list[Answer]]:
    return [list(each) for each in zip(*zip(*streams, strict=True), strict=True)]


def in_threads(streams: list[Iterator[Answer]]) -> list[list[Answer]]:
    with ThreadPoolExecutor(len(streams)) as threads:
        return list(threads.map(list, streams))


@pytest.mark.parametrize("read", [in_turn, in_threads])
def test_streams_that_ask_different_things_at_one_time_are_answered_as_each_alone(
    spec: TeacherSpec, stages_questions: list[tuple[AnswerSpec, list[Question]]], read: Read
) -> None:
    alone = [
        [bits(each) for each in TeacherHost(spec).answers(asked, replace(answers, shelf=None))]
        for answers, asked in stages_questions
    ]
    host = TeacherHost(spec)
    together = read([host.answers(asked, answers) for answers, asked in stages_questions])
    assert [[bits(each) for each in answers] for answers in together] == alone
    for answers, asked in stages_questions:
        if answers.complete_shelf is not None:
            again = list(host.answers(asked, answers))
            assert sum(each.computed for each in again) == 0, "each was stored on its own shelf"


def test_a_host_builds_one_teacher_for_each_way_of_running_it(
    spec: TeacherSpec,
    stages_questions: list[tuple[AnswerSpec, list[Question]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built: list[InferenceConfig] = []

    class Counted(Teacher):
        def __init__(self, *args: Any, inference: InferenceConfig, **kwargs: Any) -> None:
            built.append(inference)
            super().__init__(*args, inference=inference, **kwargs)

    monkeypatch.setattr("teachers.serving.host.Teacher", Counted)
    host = TeacherHost(spec)
    assert built == [], "it was not said yet how it is run"
    for answers, asked in stages_questions:
        host.prepare(answers)
        list(host.answers(asked, answers))
    assert built == [plain(1), stages_questions[-1][0].inference]


def test_of_many_classes_only_the_largest_logits_are_exact(host: TeacherHost) -> None:
    [every] = host.answers([asked(0, 7)], PLAIN)
    [some] = host.answers([asked(0, 7)], replace(PLAIN, top_k=3))
    largest = np.argsort(every.logits[0])[-3:]
    assert np.array_equal(some.logits[0, largest], every.logits[0, largest])
    assert len(set(some.logits[0].tolist())) == 3 + 1, "and the mean of the others"


def test_answers_beyond_float16_are_told_once(spec: TeacherSpec, tmp_path: Path) -> None:
    weights = safetensors.torch.load_file(spec.data.folder / "model.safetensors")
    weights["output.bias"].fill_(1e6)
    safetensors.torch.save_file(weights, tmp_path / "large.safetensors")
    large = TeacherHost(replace(spec, weights=Weights(path=str(tmp_path / "large.safetensors"))))
    first, second = large.answers([asked(0, 1), asked(0, 2)], AnswerSpec(plain(1)))
    assert first.warning.startswith("teacher 'wide': its logits reach 1e+06, beyond 65504")
    assert second.warning == ""
