"""SIGINT and SIGTERM become one orderly way out."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from orchestrator.execution.session import GraphFuture
from orchestrator.execution.signals import interruptible

BOTH = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture(autouse=True)
def handlers_of_the_tests_themselves() -> Iterator[None]:
    before = {one: signal.getsignal(one) for one in BOTH}
    yield
    for one, handler in before.items():
        signal.signal(one, handler)


@pytest.mark.parametrize("one", BOTH)
def test_either_signal_interrupts_and_the_handlers_are_restored(
    one: signal.Signals,
) -> None:
    before = [signal.getsignal(each) for each in BOTH]
    with pytest.raises(KeyboardInterrupt), interruptible():
        os.kill(os.getpid(), one)
        signal.sigtimedwait([], 5)
    assert [signal.getsignal(each) for each in BOTH] == before


def test_a_second_signal_does_not_disturb_the_shutdown() -> None:
    ended = False
    with pytest.raises(KeyboardInterrupt), interruptible():
        try:
            os.kill(os.getpid(), signal.SIGINT)
        finally:
            for one in (*BOTH, signal.SIGINT):
                os.kill(os.getpid(), one)
            ended = True
    assert ended


def test_sigint_interrupts_where_a_shell_has_it_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with pytest.raises(KeyboardInterrupt), interruptible():
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_another_thread_leaves_the_signals_alone() -> None:
    before, inside = [signal.getsignal(one) for one in BOTH], []

    def work() -> None:
        with interruptible():
            inside.extend(signal.getsignal(one) for one in BOTH)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert inside == before


def test_a_signal_that_another_thread_receives_ends_the_wait_for_a_graph() -> None:
    def interrupt_here() -> None:
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt), interruptible():
        threading.Timer(0.1, interrupt_here).start()
        GraphFuture().result()
