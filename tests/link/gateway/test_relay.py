"""Between radio and broker, on a clock that the test sets."""

from contextlib import closing

import pytest

from link.carriers.carrier import Received
from link.gateway.relay import AGAIN_S, UNHEARD_S, WINDOW, Relay, node_of
from link.gateway.spool import Spool
from link.gateway.topics import EXPIRY_S, SentDown
from link.medium.governor import AirtimeLimit, Governor
from link.medium.profiles import get_profile
from link.medium.timing import LinkTiming
from link.wire.packet import Header, PacketType

TIMING = LinkTiming(get_profile("lora-sf7"))


def packet(counter: int = 1, kind: PacketType = PacketType.DATA) -> bytes:
    return Header(7, counter, kind).pack() + b"sealed and tag"


@pytest.fixture
def spool(tmp_path):
    with closing(Spool(tmp_path / "spool.sqlite")) as spool:
        yield spool


def heard(relay: Relay, *packets: bytes, now_s: float = 0.0, origin: str = "node") -> None:
    relay.hear([Received(one, origin=origin) for one in packets], now_s, 1_000.0)


def seqs(relay: Relay, now_s: float) -> list[int]:
    return [uplink.seq for uplink in relay.due(now_s)]


def test_what_was_heard_is_said_once_until_it_is_stored_and_then_never_again(spool):
    relay = Relay(spool, TIMING, Governor())
    heard(relay, packet(1), packet(2))
    assert seqs(relay, 0.0) == [1, 2]
    assert seqs(relay, 1.0) == []
    relay.stored([1])
    assert seqs(relay, AGAIN_S) == [2]
    relay.stored([2])
    assert seqs(relay, 3 * AGAIN_S) == []
    assert len(spool) == 0


def test_another_connection_is_told_all_that_is_not_stored_in_order(spool):
    relay = Relay(spool, TIMING, Governor())
    heard(relay, packet(1), packet(2), packet(3))
    assert seqs(relay, 0.0) == [1, 2, 3]
    relay.stored([2])
    relay.begin_anew()
    heard(relay, packet(4))
    assert seqs(relay, 1.0) == [1, 3, 4]


def test_what_nobody_reads_is_said_again_soon_and_not_at_once(spool):
    relay = Relay(spool, TIMING, Governor())
    heard(relay, packet(1), packet(2))
    assert seqs(relay, 0.0) == [1, 2]
    relay.unheard(2, 0.1)
    assert seqs(relay, 0.1) == []
    assert seqs(relay, 0.1 + UNHEARD_S) == [2]
    relay.stored([2])
    relay.unheard(2, 2.0)
    assert seqs(relay, 2.0 + UNHEARD_S) == []
    assert seqs(relay, AGAIN_S) == [1]


def test_a_worker_that_is_behind_is_not_flooded(spool):
    relay = Relay(spool, TIMING, Governor())
    heard(relay, *[packet(number) for number in range(WINDOW + 5)])
    assert len(relay.due(0.0)) == WINDOW
    assert relay.due(1.0) == []
    relay.stored(range(1, 4))
    assert seqs(relay, 2.0) == [WINDOW + 1, WINDOW + 2, WINDOW + 3]


def test_what_is_no_uplink_goes_nowhere(spool):
    relay = Relay(spool, TIMING, Governor())
    heard(relay, b"", b"\0", packet(1, PacketType.REPORT))
    assert (relay.due(0.0), relay.n_noise) == ([], 3)
    assert node_of(packet()) == 7


def test_an_answer_goes_to_where_the_packet_came_from_while_its_node_listens(spool):
    relay = Relay(spool, TIMING, Governor())
    heard(relay, packet(), now_s=10.0, origin="here")
    [uplink] = relay.due(10.0)
    relay.answer(SentDown(b"report", uplink.seq, after_s=0.05), 10.1)
    answer = relay.next_answer(10.1)
    assert answer is not None
    assert (answer.packet, answer.origin) == (b"report", "here")
    assert relay.next_answer(10.1) is None


def test_an_answer_that_is_too_late_by_the_gateways_own_clock_is_not_sent(spool):
    relay = Relay(spool, TIMING, Governor())
    heard(relay, packet(), now_s=10.0)
    [uplink] = relay.due(10.0)
    relay.answer(SentDown(b"report", uplink.seq, after_s=5.0), 10.1)
    relay.answer(SentDown(b"of another start", 99, after_s=0.0), 10.1)
    assert relay.next_answer(15.1 + EXPIRY_S) is None
    assert relay.figures(20.0)["late"] == 2


def test_what_is_sent_keeps_the_rules_of_the_air(spool):
    airtime_s = TIMING.airtime_s(6)
    governor = Governor([AirtimeLimit(3600.0, 1.5 * airtime_s)])
    relay = Relay(spool, TIMING, governor)
    heard(relay, packet(1), packet(2))
    for uplink in relay.due(0.0):
        relay.answer(SentDown(b"report", uplink.seq, 0.0), 0.0)
    first = relay.next_answer(0.0)
    assert first is not None
    relay.left(airtime_s)
    assert relay.next_answer(0.5) is None
    relay.answer(SentDown(b"report", 1, 0.0), 0.5)
    relay.taken_back(first)
    assert relay.next_answer(0.6) is not None
