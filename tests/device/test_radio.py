"""A port that is slow, or away, costs the node no time; a packet that cannot leave costs it no
port.
"""

import threading
import time

import pytest

from device.radio import Radio
from link.carriers.carrier import CarrierStatistics, DoesNotFit, PortError, Received


class Port:
    """A carrier that does what a test says."""

    max_packet_bytes = 255

    def __init__(self, error=None):
        self.error = error
        self.is_closed = False
        self.statistics = CarrierStatistics()

    def send(self, packet):
        if self.error is not None:
            raise self.error

    def receive(self, timeout_s):
        return [Received(b"packet")]

    def close(self):
        self.is_closed = True


def until(condition):
    deadline_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_a_port_that_is_opened_for_long_keeps_nobody_waiting():
    may_open, ports = threading.Event(), [Port(PortError("gone")), Port()]
    said: list[str] = []

    def open_carrier():
        if len(ports) == 1:
            may_open.wait()
        return ports.pop(0)

    with Radio(open_carrier, said.append) as radio:
        assert not radio.send(b"packet")
        began_s = time.monotonic()
        until(lambda: radio.receive(0.01) == [] and time.monotonic() > began_s + 1.2)
        assert not radio.is_open
        began_s = time.monotonic()
        assert not radio.send(b"packet")
        assert time.monotonic() - began_s < 0.5
        may_open.set()
        until(lambda: radio.receive(0.01) == [Received(b"packet")])
        assert radio.is_open
    assert said == ["gone; what is to be sent is kept until then", "the port is back"]


def test_a_port_that_is_opened_when_nobody_wants_it_any_more_is_closed_again():
    may_open, late = threading.Event(), Port()
    ports = [Port(PortError("gone")), late]

    def open_carrier():
        if len(ports) == 1:
            may_open.wait()
        return ports.pop(0)

    with Radio(open_carrier, lambda sentence: None) as radio:
        radio.send(b"packet")
        began_s = time.monotonic()
        until(lambda: radio.receive(0.01) == [] and time.monotonic() > began_s + 1.2)
    may_open.set()
    until(lambda: late.is_closed)


def test_a_packet_that_does_not_fit_leaves_the_port_open():
    port = Port(DoesNotFit("too long", 20))
    with Radio(lambda: port, lambda sentence: None) as radio:
        with pytest.raises(DoesNotFit):
            radio.send(b"packet")
        assert radio.is_open
        assert not port.is_closed


def test_at_the_start_a_port_that_is_away_is_an_error_or_waited_for_where_that_helps():
    def open_carrier():
        raise PortError("no such port")

    with pytest.raises(PortError, match="no such port"):
        Radio(open_carrier, lambda sentence: None)
    said: list[str] = []
    with Radio(open_carrier, said.append, waits_for_first=True) as radio:
        assert not radio.is_open
    assert said == ["no such port; what is to be sent is kept until then"]
