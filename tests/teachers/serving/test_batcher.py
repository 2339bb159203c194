"""How a host answers: what is stored is read, the rest is gathered and computed once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from students.knowledge import Question
from teachers.bank.columns import Column
from teachers.bank.compaction import seal_all
from teachers.bank.layout import sealed_path, view_folder
from teachers.bank.shelf import Shelf, prepare_shelf
from teachers.serving.answer_columns import Values
from teachers.serving.batcher import Answering, Found
from teachers.serving.view_cache import Book, NullCache, ViewCache

SAMPLES, CLASSES, BATCH = 400, 3, 8
LOGITS = Column("logits", (CLASSES,))
TAP = Column("tap.layer", (2,))
BOTH = ("logits", "tap.layer")


def truth(ids: Sequence[int], view: int) -> np.ndarray:
    return np.outer(np.asarray(ids) + 1000 * view, np.arange(1, CLASSES + 1)).astype(np.float16)


class Network:
    """Computes the truth, and remembers what it was asked for at a time."""

    def __init__(self, *, taps: bool = False) -> None:
        self.passes: list[list[int]] = []
        self.taps = taps

    def __call__(self, ids: np.ndarray, view: int) -> Values:
        self.passes.append(ids.tolist())
        tapped = {"tap.layer": truth(ids, view)[:, :2] / 2} if self.taps else {}
        return {"logits": truth(ids, view)} | tapped

    @property
    def computed(self) -> list[int]:
        return sorted(chain.from_iterable(self.passes))


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    folder = tmp_path / "bank" / "ab"
    prepare_shelf(folder, {"format": 1})
    return Shelf(folder, "cd" * 32, SAMPLES, 10**9, (LOGITS,))


def asked(*ids: int, view: int = 0) -> Question:
    return Question(view, np.array(ids, np.int64))


def some(count: int, size: int, seed: int = 0, first: int = 0) -> list[Question]:
    """Questions of ``size`` samples each, in some order, as an epoch asks them."""
    ids = first + np.random.default_rng(seed).permutation(count * size)
    return [asked(*part) for part in ids.reshape(count, size).tolist()]


def answered(
    book: Book, network: Network, questions: Sequence[Question], lock: threading.Lock | None = None
) -> list[Found]:
    answering = Answering(questions[0].view, book, network, BATCH, lock or threading.Lock())
    found = list(answering.answers(questions))
    for question, each in zip(questions, found, strict=True):
        assert np.array_equal(each.values["logits"], truth(question.sample_ids, question.view))
    return found


def run(
    books: ViewCache, questions: Sequence[Question], *, taps: bool = False
) -> tuple[Network, list[Found]]:
    network = Network(taps=taps)
    with books.opened(questions[0].view, BOTH if taps else ("logits",)) as book:
        return network, answered(book, network, questions)


@pytest.mark.parametrize("size", [1, 5, 8, 20])
def test_what_is_missing_is_computed_in_full_batches_over_several_questions(size: int) -> None:
    network, questions = Network(), some(80 // size, size)
    found = answered(NullCache(), network, questions)
    assert [len(each) for each in network.passes] == [BATCH] * (80 // BATCH)
    assert network.computed == list(range(80))
    assert sum(each.computed for each in found) == 80
    assert all(each.seconds > 0 for each in found)


def test_the_last_batch_holds_what_is_left() -> None:
    network = Network()
    answered(NullCache(), network, some(3, 5))
    assert [len(each) for each in network.passes] == [BATCH, 15 - BATCH]


def test_an_answer_leaves_as_soon_as_it_is_there() -> None:
    network, questions = Network(), some(20, 2)
    answers = Answering(0, NullCache(), network, BATCH, threading.Lock()).answers(questions)
    for number in range(4):
        next(answers)
        assert len(network.passes) == 1, f"the first batch answers question {number}"
    next(answers)
    assert len(network.passes) == 2


def test_a_sample_that_comes_twice_is_computed_once(shelf: Shelf) -> None:
    network, found = run(ViewCache(shelf), [asked(1, 2, 1), asked(2, 3), asked(1, 3)])
    assert network.computed == [1, 2, 3]
    assert [each.computed for each in found] == [2, 1, 0]


def test_what_is_stored_is_not_computed_again(shelf: Shelf) -> None:
    books, questions = ViewCache(shelf), some(10, 16)
    first, _ = run(books, questions)
    again, found = run(books, some(10, 16, seed=1))
    assert first.computed == list(range(160))
    assert again.passes == []
    assert sum(each.computed for each in found) == 0
    other, _ = run(ViewCache(shelf), some(11, 16, seed=2))
    assert other.computed == list(range(160, 176)), "another host reads it, and adds what is new"
    assert run(books, [asked(5, 6, view=1)])[0].computed == [5, 6], "another view is another"


def test_a_few_missing_among_many_stored_fill_one_batch(shelf: Shelf) -> None:
    books = ViewCache(shelf)
    missing = list(range(0, 160, 20))
    run(books, [asked(*[each for each in range(160) if each not in missing])])
    network, _ = run(books, some(10, 16))
    assert [sorted(each) for each in network.passes] == [missing]


def test_a_complete_book_is_sealed_and_a_dropped_host_lets_go(shelf: Shelf) -> None:
    books, path = ViewCache(shelf), sealed_path(view_folder(shelf.folder, 0), "logits")
    run(books, some(4, 8))
    assert not path.exists(), "the next lesson may add to it"
    run(books, some(4, 8))
    assert path.exists(), "nothing was missing, so it is complete"
    run(books, some(6, 8, seed=3))
    del books
    seal_all(shelf)
    assert run(ViewCache(shelf), some(6, 8))[0].passes == []


def test_without_the_taps_that_are_asked_all_is_computed_and_the_logits_are_kept(
    shelf: Shelf,
) -> None:
    run(ViewCache(shelf), [asked(1, 2, 3)])
    network, [found] = run(ViewCache(shelf), [asked(1, 2, 3, 4)], taps=True)
    assert network.computed == [1, 2, 3, 4]
    assert found.values["tap.layer"].shape == (4, 2)
    assert run(ViewCache(shelf), [asked(1, 2, 3, 4)])[0].passes == []


def test_taps_on_the_shelf_are_given_back(shelf: Shelf) -> None:
    both = Shelf(shelf.folder, shelf.identity, SAMPLES, 10**9, (LOGITS, TAP))
    run(ViewCache(both), [asked(1, 2)], taps=True)
    network, [found] = run(ViewCache(both), [asked(2, 1)], taps=True)
    assert network.passes == []
    assert np.array_equal(found.values["tap.layer"], truth([2, 1], 0)[:, :2] / 2)


def test_taps_that_are_not_asked_for_are_neither_given_nor_waited_for(shelf: Shelf) -> None:
    both = Shelf(shelf.folder, shelf.identity, SAMPLES, 10**9, (LOGITS, TAP))
    books = ViewCache(both)
    run(books, [asked(1, 2)])
    network, [found] = run(books, [asked(2, 1)])
    assert network.passes == [] and set(found.values) == {"logits"}
    network, [found] = run(books, [asked(2, 3)], taps=True)
    assert network.computed == [2, 3], "the logits of sample 2 are there, and its tap is not"
    assert set(found.values) == set(BOTH)
    network, found_now = run(books, [asked(3, 2, 1)])
    assert network.passes == [] and set(found_now[0].values) == {"logits"}


def test_hosts_in_step_compute_each_answer_once(shelf: Shelf) -> None:
    networks, questions = [Network() for _ in range(3)], some(20, 16)

    def work(network: Network) -> None:
        with ViewCache(shelf).opened(0, ("logits",)) as book:
            answered(book, network, questions)

    threads = [threading.Thread(target=work, args=(each,)) for each in networks]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert sorted(chain.from_iterable(each.computed for each in networks)) == list(range(320))


def test_a_spoilt_block_is_computed_anew(shelf: Shelf) -> None:
    books, path = ViewCache(shelf), sealed_path(view_folder(shelf.folder, 0), "logits")
    run(books, some(4, 8))
    run(books, some(4, 8))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    network, _ = run(ViewCache(shelf), some(4, 8))
    assert network.computed == list(range(32))


def test_trouble_with_the_disk_is_said_and_the_answers_go_on(shelf: Shelf) -> None:
    view_folder(shelf.folder, 0).write_text("a file where a folder must be")
    network = Network()
    with ViewCache(shelf).opened(0, ("logits",)) as book:
        answered(book, network, some(4, 8))
        assert "cannot be written" in book.trouble
    assert network.computed == list(range(32))
