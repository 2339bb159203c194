"""How a host answers: what is stored is read, the rest is gathered and computed once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from students.knowledge import Answer, Columns, Question
from teachers.bank.columns import Column
from teachers.bank.shelf import Shelf, prepare_shelf, sealed_path
from teachers.bank.writer import LiveView
from teachers.serving.batcher import Batcher
from teachers.serving.view_cache import ViewCaches

SAMPLES, CLASSES, BATCH = 400, 3, 8
LOGITS = Column("logits", (CLASSES,))
TAP = Column("tap.layer", (2,))
BOTH = ("logits", "tap.layer")


def truth(ids: Sequence[int], view: int) -> np.ndarray:
    return np.outer(np.asarray(ids) + 1000 * view, np.arange(1, CLASSES + 1)).astype(np.float16)


class Network:
    """Computes the truth, and records the samples of each pass."""

    def __init__(self, *, taps: bool = False) -> None:
        self.passes: list[list[int]] = []
        self.taps = taps

    def __call__(self, ids: np.ndarray, view: int) -> Columns:
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
    cache: LiveView,
    network: Network,
    questions: Sequence[Question],
    lock: threading.Lock | None = None,
) -> list[Answer]:
    compute = partial(network, view=questions[0].view)
    batcher = Batcher(cache, compute, BATCH, lock or threading.Lock())
    found = list(batcher.answers(questions))
    for question, each in zip(questions, found, strict=True):
        assert np.array_equal(each.columns["logits"], truth(question.sample_ids, question.view))
    return found


def run(
    shelf: Shelf | None, questions: Sequence[Question], *, taps: bool = False
) -> tuple[Network, list[Answer]]:
    """One stream of a host, which is alone on its view."""
    network = Network(taps=taps)
    columns = BOTH if taps else ("logits",)
    with ViewCaches().opened(shelf, questions[0].view, columns) as cache:
        return network, answered(cache, network, questions)


@pytest.mark.parametrize("size", [1, 5, 8, 20])
def test_what_is_missing_is_computed_in_full_batches_over_several_questions(size: int) -> None:
    network, found = run(None, some(80 // size, size))
    assert [len(each) for each in network.passes] == [BATCH] * (80 // BATCH)
    assert network.computed == list(range(80))
    assert sum(each.computed for each in found) == 80
    assert all(each.seconds > 0 for each in found)


def test_the_last_batch_holds_what_is_left() -> None:
    network, _ = run(None, some(3, 5))
    assert [len(each) for each in network.passes] == [BATCH, 15 - BATCH]


def test_an_answer_is_returned_as_soon_as_it_is_complete() -> None:
    network = Network()
    with ViewCaches().opened(None, 0, ("logits",)) as cache:
        batcher = Batcher(cache, partial(network, view=0), BATCH, threading.Lock())
        answers = batcher.answers(some(20, 2))
        for number in range(4):
            next(answers)
            assert len(network.passes) == 1, f"the first batch answers question {number}"
        next(answers)
    assert len(network.passes) == 2


def test_a_sample_that_comes_twice_is_computed_once(shelf: Shelf) -> None:
    network, found = run(shelf, [asked(1, 2, 1), asked(2, 3), asked(1, 3)])
    assert network.computed == [1, 2, 3]
    assert [each.computed for each in found] == [2, 1, 0]


def test_what_is_stored_is_not_computed_again(shelf: Shelf) -> None:
    first, _ = run(shelf, some(10, 16))
    again, found = run(shelf, some(10, 16, seed=1))
    assert first.computed == list(range(160))
    assert again.passes == []
    assert sum(each.computed for each in found) == 0
    other, _ = run(shelf, some(11, 16, seed=2))
    assert other.computed == list(range(160, 176)), "another host reads it, and adds what is new"
    assert run(shelf, [asked(5, 6, view=1)])[0].computed == [5, 6], "another view is another"


def test_a_few_missing_among_many_stored_fill_one_batch(shelf: Shelf) -> None:
    missing = list(range(0, 160, 20))
    run(shelf, [asked(*[each for each in range(160) if each not in missing])])
    network, _ = run(shelf, some(10, 16))
    assert [sorted(each) for each in network.passes] == [missing]


def test_what_a_stream_stored_is_sealed_once_no_stream_of_its_view_is_open(shelf: Shelf) -> None:
    caches, path = ViewCaches(), sealed_path(shelf.view_folder(0), "logits")
    with caches.opened(shelf, 0, ("logits",)) as last:
        with caches.opened(shelf, 0, ("logits",)) as first:
            answered(first, Network(), some(4, 8))
        with caches.opened(shelf, 0, ("logits",)) as second:
            assert second is first, "it writes on to the journal that the first began"
            answered(second, Network(), some(4, 8, first=40))
        with caches.opened(shelf, 1, ("logits",)) as other:
            answered(other, Network(), [asked(3, view=1)])
        assert sealed_path(shelf.view_folder(1), "logits").exists()
        assert not path.exists(), "another window may add to it"
        network = Network()
        answered(last, network, some(4, 8))
        assert network.passes == []
    assert path.exists()
    assert run(shelf, some(4, 8, first=40))[0].passes == []


def test_streams_of_other_shelves_views_and_columns_have_caches_of_their_own(
    shelf: Shelf, tmp_path: Path
) -> None:
    other = Shelf(tmp_path / "bank" / "ef", "01" * 32, SAMPLES, 10**9, (LOGITS,))
    prepare_shelf(other.folder, {"format": 1})
    keys = [(shelf, 0, ("logits",)), (shelf, 1, ("logits",)), (shelf, 0, BOTH),
            (other, 0, ("logits",)), (None, 0, ("logits",))]  # fmt: skip
    caches, networks = ViewCaches(), [Network(taps=True) for _ in keys]
    with ExitStack() as streams:
        opened = [streams.enter_context(caches.opened(*key)) for key in keys]
        turns = [
            Batcher(cache, partial(network, view=key[1]), BATCH, threading.Lock()).answers(
                [asked(1, 2, view=key[1]), asked(2, 3, view=key[1])]
            )
            for key, cache, network in zip(keys, opened, networks, strict=True)
        ]
        for answers in zip(*turns, strict=True):
            assert len(answers) == len(keys)
    assert [each.computed for each in networks] == [
        [1, 2, 3],
        [1, 2, 3],
        [1, 2, 3],
        [1, 2, 3],
        [1, 2, 3],
    ]


def test_without_the_taps_that_are_asked_all_is_computed_and_the_logits_are_stored(
    shelf: Shelf,
) -> None:
    run(shelf, [asked(1, 2, 3)])
    network, [found] = run(shelf, [asked(1, 2, 3, 4)], taps=True)
    assert network.computed == [1, 2, 3, 4]
    assert found.columns["tap.layer"].shape == (4, 2)
    assert run(shelf, [asked(1, 2, 3, 4)])[0].passes == []


def test_taps_on_the_shelf_are_read_back(shelf: Shelf) -> None:
    both = Shelf(shelf.folder, shelf.identity, SAMPLES, 10**9, (LOGITS, TAP))
    run(both, [asked(1, 2)], taps=True)
    network, [found] = run(both, [asked(2, 1)], taps=True)
    assert network.passes == []
    assert np.array_equal(found.columns["tap.layer"], truth([2, 1], 0)[:, :2] / 2)


def test_taps_that_are_not_asked_for_are_neither_returned_nor_computed(shelf: Shelf) -> None:
    both = Shelf(shelf.folder, shelf.identity, SAMPLES, 10**9, (LOGITS, TAP))
    run(both, [asked(1, 2)])
    network, [found] = run(both, [asked(2, 1)])
    assert network.passes == [] and set(found.columns) == {"logits"}
    network, [found] = run(both, [asked(2, 3)], taps=True)
    assert network.computed == [2, 3], "the logits of sample 2 are there, and its tap is not"
    assert set(found.columns) == set(BOTH)
    network, found_now = run(both, [asked(3, 2, 1)])
    assert network.passes == [] and set(found_now[0].columns) == {"logits"}


def test_hosts_in_step_compute_each_answer_once(shelf: Shelf) -> None:
    networks, questions = [Network() for _ in range(3)], some(20, 16)

    def work(network: Network) -> None:
        with ViewCaches().opened(shelf, 0, ("logits",)) as cache:
            answered(cache, network, questions)

    threads = [threading.Thread(target=work, args=(each,)) for each in networks]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert sorted(chain.from_iterable(each.computed for each in networks)) == list(range(320))


def test_a_corrupt_block_is_computed_again(shelf: Shelf) -> None:
    path = sealed_path(shelf.view_folder(0), "logits")
    run(shelf, some(4, 8))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    network, _ = run(shelf, some(4, 8))
    assert network.computed == list(range(32))


def test_trouble_with_the_disk_is_reported_and_the_answers_go_on(shelf: Shelf) -> None:
    shelf.view_folder(0).write_text("a file where a folder must be")
    network = Network()
    with ViewCaches().opened(shelf, 0, ("logits",)) as cache:
        answered(cache, network, some(4, 8))
        assert "cannot be written" in cache.trouble
    assert network.computed == list(range(32))
