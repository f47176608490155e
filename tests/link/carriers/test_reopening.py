"""A port that is slow, away or hung costs its user no time; a packet that cannot leave costs no
port.
"""

import threading
import time
from contextlib import closing
from itertools import pairwise

import pytest

from link.base.pause import Pause
from link.carriers.carrier import CarrierStatistics, DoesNotFit, NotSentError, PortError, Received
from link.carriers.reopening import Reopening

AT_ONCE_S = 0.5


class Port:
    """A carrier that does what a test says."""

    max_packet_bytes = 255

    def __init__(self, error=None, n_heard=1, n_noise=0, close=None):
        self.error = error
        self.heard = [Received(b"packet")] * n_heard
        self._close = close
        self.is_closed = False
        self.statistics = CarrierStatistics(n_noise=n_noise)

    def send(self, packet):
        if self.error is not None:
            raise self.error

    def receive(self, timeout_s):
        return self.heard

    def close(self):
        self.is_closed = True
        if self._close is not None:
            self._close()


class Told(list):
    """What was told: sentences, and None for a carrier that is there again."""

    def __call__(self, error):
        self.append(error and str(error))


def until(condition):
    deadline_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def reopening(open_carrier, tell=lambda error: None, first_s=0.01):
    return Reopening(open_carrier, tell, Pause(first_s, 1.0))


def one_after_the_other(*ports, may_open_last=None):
    """Opens each in its turn; the last one only when it may be."""
    left = list(ports)

    def open_carrier():
        if len(left) == 1 and may_open_last is not None:
            may_open_last.wait()
        port = left.pop(0)
        if isinstance(port, Exception):
            raise port
        return port

    return open_carrier


def test_a_port_that_is_opened_for_long_keeps_nobody_waiting():
    may_open, told = threading.Event(), Told()
    ports = one_after_the_other(Port(PortError("gone")), Port(), may_open_last=may_open)
    with closing(reopening(ports, told)) as port:
        port.open()
        assert not port.send(b"packet")
        began_s = time.monotonic()
        until(lambda: port.receive(0.01) == [] and time.monotonic() > began_s + 0.2)
        assert not port.is_open
        began_s = time.monotonic()
        assert not port.send(b"packet")
        assert time.monotonic() - began_s < AT_ONCE_S
        may_open.set()
        until(lambda: port.receive(0.01) == [Received(b"packet")])
        assert port.is_open
    assert told == ["gone", None]


def test_a_port_that_is_opened_when_nobody_wants_it_any_more_is_closed_again():
    may_open, late = threading.Event(), Port()
    ports = one_after_the_other(Port(PortError("gone")), late, may_open_last=may_open)
    with closing(reopening(ports)) as port:
        port.open()
        port.send(b"packet")
        began_s = time.monotonic()
        until(lambda: port.receive(0.01) == [] and time.monotonic() > began_s + 0.2)
    may_open.set()
    until(lambda: late.is_closed)


@pytest.mark.parametrize("error", [DoesNotFit("too long", 20), NotSentError("nobody is there")])
def test_a_packet_that_cannot_leave_leaves_the_port_open(error):
    port = Port(error)
    with closing(reopening(lambda: port)) as opened:
        opened.open()
        with pytest.raises(type(error)):
            opened.send(b"packet")
        assert opened.is_open
        assert not port.is_closed


def test_who_waits_for_the_first_one_hears_why_there_is_none():
    def open_carrier():
        raise PortError("no such port")

    with pytest.raises(PortError, match="no such port"):
        reopening(open_carrier).open()


def test_why_it_is_away_is_told_once_until_the_reason_changes():
    away = [PortError("no port"), PortError("no port"), PortError("busy"), PortError("no port")]
    told = Told()
    with closing(reopening(one_after_the_other(*away, Port()), told)) as port:
        until(lambda: port.receive(0.1) and port.is_open)
    assert told == ["no port", "busy", "no port", None]


def test_what_tell_raises_reaches_the_caller():
    def give_up(error):
        raise error

    with closing(reopening(lambda: Port(PortError("gone")), give_up)) as port:
        port.open()
        with pytest.raises(PortError, match="gone"):
            port.send(b"packet")


def test_pauses_grow_while_a_port_opens_and_never_takes_anything():
    opened_s = []

    def open_carrier():
        opened_s.append(time.monotonic())
        return Port(PortError("takes nothing"), n_heard=0)

    with closing(reopening(open_carrier)) as port:
        until(lambda: not port.send(b"packet") and len(opened_s) == 5)
    pauses_s = [later - earlier for earlier, later in pairwise(opened_s)]
    assert all(pause_s >= 0.01 * 2**i for i, pause_s in enumerate(pauses_s))


def test_a_fault_of_the_program_while_opening_is_no_port_that_is_away():
    def open_carrier():
        raise ZeroDivisionError

    with closing(reopening(open_carrier)) as port, pytest.raises(ZeroDivisionError):
        until(lambda: port.receive(1.0))


def test_a_carrier_that_hangs_while_it_is_closed_is_left_behind():
    over = threading.Event()
    opened = reopening(lambda: Port(close=over.wait))
    opened.open()
    began_s = time.monotonic()
    opened.close()
    assert time.monotonic() - began_s < 1.0
    assert not opened.is_open
    over.set()


def test_noise_of_a_carrier_that_is_gone_still_counts():
    ports = one_after_the_other(Port(PortError("gone"), n_noise=3), Port(n_noise=4))
    with closing(reopening(ports)) as port:
        port.open()
        port.send(b"packet")
        assert port.n_noise == 3
        until(lambda: port.receive(0.1))
        assert port.n_noise == 7
