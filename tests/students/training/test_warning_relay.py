import logging

from students.training.warning_relay import noticing


def test_warnings_of_ours_are_carried_once_and_in_order():
    log = logging.getLogger("stillhouse.stream")
    with noticing() as notices:
        log.warning("restarting teacher '%s' (%d of 3)", "wide", 1)
        log.info("of no interest")
        logging.getLogger("another").warning("not ours")
        log.warning("again")
        assert list(notices.taken()) == ["restarting teacher 'wide' (1 of 3)", "again"]
        assert list(notices.taken()) == []
    log.warning("nobody listens")
    assert list(notices.taken()) == []
