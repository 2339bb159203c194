"""The signals that end a process become one orderly way out."""

from __future__ import annotations

import os
import pty
import signal
import threading
from collections.abc import Iterator

import pytest

from orchestrator.execution.session import GraphFuture
from orchestrator.execution.signals import interruptible

ALL = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP)


@pytest.fixture(autouse=True)
def handlers_of_the_tests_themselves() -> Iterator[None]:
    before = {one: signal.getsignal(one) for one in ALL}
    yield
    for one, handler in before.items():
        signal.signal(one, handler)


@pytest.mark.parametrize("one", ALL)
def test_each_signal_interrupts_and_the_handlers_are_restored(
    one: signal.Signals,
) -> None:
    before = [signal.getsignal(each) for each in ALL]
    with pytest.raises(KeyboardInterrupt), interruptible():
        os.kill(os.getpid(), one)
        signal.sigtimedwait([], 5)
    assert [signal.getsignal(each) for each in ALL] == before


def test_a_second_signal_does_not_disturb_the_shutdown() -> None:
    ended = False
    with pytest.raises(KeyboardInterrupt), interruptible():
        try:
            os.kill(os.getpid(), signal.SIGINT)
        finally:
            for one in (*ALL, signal.SIGINT):
                os.kill(os.getpid(), one)
            ended = True
    assert ended


def test_sigint_interrupts_where_a_shell_has_it_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with pytest.raises(KeyboardInterrupt), interruptible():
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_nohup_keeps_its_meaning() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with interruptible():
        os.kill(os.getpid(), signal.SIGHUP)


def test_what_is_printed_after_the_terminal_was_closed_vanishes() -> None:
    ours, theirs = pty.openpty()
    kept = os.dup(2)
    os.dup2(theirs, 2)
    os.close(theirs)
    try:
        with pytest.raises(KeyboardInterrupt), interruptible():
            os.close(ours)
            with pytest.raises(OSError, match="Input/output"):
                os.write(2, b"lost")
            os.kill(os.getpid(), signal.SIGHUP)
        os.write(2, b"vanishes")
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def test_another_thread_leaves_the_signals_alone() -> None:
    before, inside = [signal.getsignal(one) for one in ALL], []

    def work() -> None:
        with interruptible():
            inside.extend(signal.getsignal(one) for one in ALL)

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
