import logging

from students.training.warning_relay import collect_warnings


def test_our_own_warnings_are_collected_in_order_while_open():
    log = logging.getLogger("stillhouse.stream")
    with collect_warnings() as messages:
        log.warning("restarting teacher '%s' (%d of 3)", "wide", 1)
        log.info("of no interest")
        logging.getLogger("another").warning("not ours")
        log.warning("again")
    log.warning("after it was closed")
    assert list(messages) == ["restarting teacher 'wide' (1 of 3)", "again"]
