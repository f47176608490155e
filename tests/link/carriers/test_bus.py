"""A shared line: who has something to say waits its turn, and everybody hears it."""

from dataclasses import replace

import pytest

from link.carriers.bus import GAP_S, MAX_WAITING, TOO_OLD_S
from link.carriers.carrier import CarrierSettings, NotSentError, open_carrier
from link.medium.profiles import serial_profile
from tests.link.carriers.conftest import packets
from tests.worlds.party_line import PartyLine

PLACES = (0, 40, 1)
"The second waits long enough to hear the first, also on a busy machine."
PROFILE = replace(serial_profile(115_200), max_packet_bytes=1400, carrier="bus")


@pytest.fixture
def ends():
    with PartyLine(3) as line:
        opened = [
            open_carrier(CarrierSettings(PROFILE, path, place=place))
            for place, path in zip(PLACES, line.paths, strict=True)
        ]
        yield opened
        for end in opened:
            end.close()


def said(ends, n_packets):
    """What the last of the ends hears, the others being served."""
    heard = []
    for _ in range(200):
        for end in ends:
            heard += [(end, packet) for packet in packets(end.receive(0.005))]
        if sum(end is ends[-1] for end, _ in heard) >= n_packets:
            break
    return [packet for end, packet in heard if end is ends[-1]]


def test_a_packet_of_any_length_reaches_all_others(ends):
    for n_bytes in (1, 255, 1400):
        ends[0].send(bytes(n_bytes))
        assert said(ends, 1) == [bytes(n_bytes)]
    assert ends[1].statistics.n_received == ends[2].statistics.n_received == 3


def test_of_those_that_begin_together_the_lowest_place_speaks_first(ends):
    ends[1].send(b"second")
    ends[0].send(b"first")
    assert said(ends, 2) == [b"first", b"second"]
    assert [end.statistics.n_noise for end in ends] == [0, 0, 0]


def test_a_line_on_which_nothing_is_said_is_waited_for_no_longer_than_the_own_pause(ends):
    ends[2].send(b"now")
    ends[2].receive(4 * GAP_S)
    assert ends[2].statistics.n_sent == 1


def test_what_never_could_leave_is_given_up(ends, monkeypatch):
    for _ in range(MAX_WAITING):
        ends[0].send(b"old")
    with pytest.raises(NotSentError, match="is it ever quiet"):
        ends[0].send(b"one more")
    late_s = ends[0]._waiting[0][0] + TOO_OLD_S + 1
    monkeypatch.setattr("link.carriers.bus.time.monotonic", lambda: late_s)
    ends[0].receive(0.0)
    assert (ends[0].statistics.n_sent, ends[0].statistics.n_refused) == (0, 2)
