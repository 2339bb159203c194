"""Where the ranks of a group meet."""

import socket

import pytest

from students.engines.group import LOOPBACK, free_ports


def test_free_ports_differ_can_be_listened_on_and_are_given_to_no_client():
    ports = free_ports(5)
    assert len(set(ports)) == 5
    assert max(ports) < 32_768
    for port in ports:
        with socket.socket() as listening, socket.socket() as second:
            listening.bind((LOOPBACK, port))
            with pytest.raises(OSError, match="in use"):
                second.bind((LOOPBACK, port))
